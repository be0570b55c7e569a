"""The sets that ship: they load, their audio decodes, they keep what their cards say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import audio, testsets
from ttsbench.records import TestSet
from ttsbench.systems.corpus.voices import VOICES, voice
from ttsbench.testsets.embedded import choose, make

FOLDER = Path(choose.__file__).parent
ROWS = {"emergent-en": 140, "emergent-zh": 70, "hard-en": 38, "librispeech-mini": 30, "seed-mini": 72}


@pytest.fixture(scope="module")
def sets() -> dict[str, TestSet]:
    return {name: testsets.load(name) for name in ROWS}


def test_every_set_loads_with_the_rows_its_listing_tells(sets: dict[str, TestSet]) -> None:
    listed = {row["name"]: row for row in testsets.listing() if row["where"] == "embedded"}
    assert {name: row["rows"] for name, row in listed.items()} == {**ROWS, "quick": 24}
    for name, testset in sets.items():
        assert len(testset.samples) == ROWS[name]
        assert {s.language for s in testset.samples} == set(listed[name]["languages"].split())
        assert (FOLDER / name / "card.md").is_file()
        assert testset.licence.startswith("Apache-2.0") and len(testset.digest) == 32


def test_the_quick_set_is_a_share_of_seed_mini_in_all_of_its_voices(sets: dict[str, TestSet]) -> None:
    small, whole = testsets.load("quick"), {sample.id: sample for sample in sets["seed-mini"].samples}
    assert len(small.samples) == 24 and small.digest != sets["seed-mini"].digest
    for sample in small.samples:
        same = whole[sample.id]
        assert (sample.text, sample.prompt_text, sample.speaker) == (same.text, same.prompt_text, same.speaker)
        assert sample.prompt and same.prompt and sample.prompt.resolve() == same.prompt.resolve()
        assert sample.truth and same.truth and sample.truth.resolve() == same.truth.resolve()
    assert {sample.speaker for sample in small.samples} == {sample.speaker for sample in whole.values()}


def test_every_row_has_prompt_truth_speaker_and_a_text_of_its_own(sets: dict[str, TestSet]) -> None:
    ids = Counter(sample.id for testset in sets.values() for sample in testset.samples)
    texts = Counter(sample.text for testset in sets.values() for sample in testset.samples)
    assert max(texts.values()) == 1
    assert all(count == 1 or key.startswith("questions-") for key, count in ids.items())
    for testset in sets.values():
        for sample in testset.samples:
            assert sample.prompt and sample.truth and sample.speaker and sample.prompt_text
            assert sample.text != sample.prompt_text


def test_audio_decodes_at_16_khz_and_is_no_silence(sets: dict[str, TestSet]) -> None:
    prompts = {s.prompt.resolve() for t in sets.values() for s in t.samples if s.prompt and s.prompt != s.truth}
    truths = [s.truth for t in sets.values() for s in t.samples][::3]  # loading read the header of every file
    assert len(prompts) == 30
    for path in (*prompts, *truths):
        assert path is not None
        samples, rate = audio.read(path)
        assert rate == 16000
        assert np.sqrt(np.mean(samples**2)) > 0.02 and np.abs(samples).max() <= 1.0


def test_the_listing_tells_the_seconds_of_ground_truth(sets: dict[str, TestSet]) -> None:
    listed = {row["name"]: row["seconds"] for row in testsets.listing()}
    for name, testset in sets.items():
        seconds = sum(soundfile.info(str(sample.truth)).duration for sample in testset.samples)
        assert listed[name] == round(seconds)


def test_all_sets_together_stay_under_ten_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 10_000_000


@pytest.mark.parametrize("name, each", [("emergent-en", 20), ("emergent-zh", 10)])
def test_emergent_sets_have_seven_categories_and_criteria_for_each(
    sets: dict[str, TestSet], name: str, each: int
) -> None:
    counts = Counter(sample.category for sample in sets[name].samples)
    assert len(counts) == 7 and set(counts.values()) == {each}
    rules = testsets.criteria(name[-2:])
    assert set(rules) == set(counts)
    assert all(set(rule) == {"looks_at", "1", "2", "3"} and all(rule.values()) for rule in rules.values())


def test_hard_texts_are_hard(sets: dict[str, TestSet]) -> None:
    texts: dict[str, list[str]] = {}
    for sample in sets["hard-en"].samples:
        texts.setdefault(sample.category, []).append(sample.text)
    assert set(texts) == {"tongue twister", "repetition", "numbers", "very short", "very long"}
    assert all(len(text.split()) > 70 for text in texts["very long"])
    assert all(len(text.split()) <= 3 for text in texts["very short"])
    assert all(any(char.isdigit() or char == "X" for char in text) for text in texts["numbers"])


def test_most_rows_are_spoken_by_voices_kept_for_testing(sets: dict[str, TestSet]) -> None:
    for name in ("seed-mini", "librispeech-mini"):
        speakers = Counter(sample.speaker for sample in sets[name].samples)
        tested = {v.name for v in VOICES if v.test_only}
        assert len(speakers) >= 12 and tested <= set(speakers)
        assert sum(speakers[name] for name in tested) > sum(speakers.values()) / 2


def test_seed_mini_clones_across_sentences(sets: dict[str, TestSet]) -> None:
    samples = sets["seed-mini"].samples
    prompts, targets = {s.prompt_text for s in samples}, {s.text for s in samples}
    assert not prompts & targets
    for sample in samples:
        assert sample.prompt is not None and sample.prompt.name.startswith(f"{sample.speaker}_p")


def test_continuations_are_cut_between_words_near_three_seconds(sets: dict[str, TestSet]) -> None:
    levels = []
    for sample in sets["librispeech-mini"].samples:
        assert sample.task == "continuation" and sample.prompt == sample.truth and sample.truth is not None
        assert 2.5 <= sample.prompt_seconds <= 3.5
        samples, rate = audio.read(sample.truth)
        assert 4.0 <= samples.size / rate <= 10.0
        cut, half = round(sample.prompt_seconds * rate), rate // 200
        levels.append(np.sqrt(np.mean(samples[cut - half : cut + half] ** 2) / np.mean(samples**2)))
    # most words end in a closure or a pause; a few run into the next one
    assert np.median(levels) < 0.1


def test_sentences_were_chosen_by_ground_truth_as_the_cards_say(sets: dict[str, TestSet]) -> None:
    for name, source, limit in (("seed-mini", "ordinary", 0.12), ("librispeech-mini", "long", 0.12)):
        tried = {(row.sentence, row.voice): row for row in choose.read_tried(source)}
        chosen = []
        for sample in sets[name].samples:
            whole = sample.text if name == "seed-mini" else f"{sample.prompt_text} {sample.text}"
            chosen.append(tried[whole, sample.speaker])
        errors, words = sum(row.errors for row in chosen), sum(row.words for row in chosen)
        assert errors / words <= limit
        card = (FOLDER / name / "card.md").read_text(encoding="utf-8")
        assert f"errs on {errors} of {words} words" in " ".join(card.split())


def test_the_recogniser_does_as_noted_on_some_of_the_audio_that_ships(sets: dict[str, TestSet]) -> None:
    tried = {(row.sentence, row.voice): row for row in choose.read_tried("ordinary")}
    noted = found = words = 0
    for sample in sets["seed-mini"].samples[::18]:
        assert sample.truth is not None
        found += choose.word_errors(sample.text, choose.hear(audio.read(sample.truth)[0]))
        noted += tried[sample.text, sample.speaker].errors
        words += len(choose.words(sample.text))
    assert words > 30 and abs(found - noted) <= 1  # another build of libopus may cost a word


def test_the_choice_is_made_again_from_what_was_tried(sets: dict[str, TestSet]) -> None:
    rows = make.choose(choose.read_tried("ordinary"), make.ROWS_TESTED, make.ROWS_OTHER, make.LIMIT)
    assert [row.sentence for row in rows] == [sample.text for sample in sets["seed-mini"].samples]


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_one_row_is_made_again_by_the_synthesiser(sets: dict[str, TestSet], tmp_path: Path) -> None:
    sample = sets["seed-mini"].samples[0]
    assert sample.truth is not None
    make.record(tmp_path / "again.opus", sample.text, voice(sample.speaker))
    again, shipped = audio.read(tmp_path / "again.opus")[0], audio.read(sample.truth)[0]
    assert again.shape == shipped.shape
    assert np.corrcoef(again, shipped)[0, 1] > 0.99


def test_listing_and_loading_import_no_torch() -> None:
    code = (
        "import json, sys; from ttsbench import testsets; testsets.listing(); light = 'numpy' not in sys.modules;"
        "testsets.load('seed-mini'); print(json.dumps([light, 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, False]
