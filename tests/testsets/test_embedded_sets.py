"""The sets that ship: they load, their audio decodes, they keep what their cards say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import audio, testsets
from ttsbench.records import Sample, TestSet
from ttsbench.systems.corpus.kokoro import parse_voice
from ttsbench.systems.corpus.kokoro import test_only as kept_for_testing
from ttsbench.testsets.embedded import choose

FOLDER = Path(choose.__file__).parent
ROWS = {
    "emergent-en": 70,
    "emergent-zh": 42,
    "hard-en": 35,
    "hard-zh": 24,
    "librispeech-mini": 26,
    "quick": 36,
    "seed-mini": 72,
    "seed-mini-zh": 36,
}
SPOKEN = ("hard-en", "hard-zh", "librispeech-mini", "quick", "seed-mini", "seed-mini-zh")
OWN = [name for name in ROWS if name != "quick"]


@pytest.fixture(scope="module")
def sets() -> dict[str, TestSet]:
    return {name: testsets.load(name) for name in ROWS}


def test_every_set_loads_with_the_rows_its_listing_tells(sets: dict[str, TestSet]) -> None:
    listed = {row["name"]: row for row in testsets.listing() if row["where"] == "embedded"}
    assert {name: row["rows"] for name, row in listed.items()} == ROWS
    for name, testset in sets.items():
        assert len(testset.samples) == ROWS[name]
        assert {s.language for s in testset.samples} == set(listed[name]["languages"].split())
        assert (FOLDER / name / "card.md").is_file()
        assert testset.licence.startswith("Apache-2.0") and len(testset.digest) == 32


def test_every_row_has_prompt_speaker_and_a_text_of_its_own(sets: dict[str, TestSet]) -> None:
    texts = Counter(sample.text for name in OWN for sample in sets[name].samples)
    assert max(texts.values()) == 1
    for name, testset in sets.items():
        for sample in testset.samples:
            assert sample.prompt and sample.speaker and sample.prompt_text
            assert (sample.truth is not None) == (name in SPOKEN)
            assert sample.text != sample.prompt_text and not set("{}") & set(sample.text + sample.prompt_text)


def test_audio_decodes_at_16_khz_and_is_no_silence(sets: dict[str, TestSet]) -> None:
    prompts = {s.prompt.resolve() for t in sets.values() for s in t.samples if s.prompt and s.prompt != s.truth}
    truths = [s.truth for t in sets.values() for s in t.samples if s.truth][::3]  # loading read all headers
    assert len(prompts) == 16 + 8
    for path in (*prompts, *truths):
        samples, rate = audio.read(path)
        assert rate == 16000
        assert np.sqrt(np.mean(samples**2)) > 0.02 and np.abs(samples).max() <= 1.0


def test_prompts_last_three_to_eight_seconds(sets: dict[str, TestSet]) -> None:
    for testset in sets.values():
        for prompt in {sample.prompt for sample in testset.samples if sample.task == "zero-shot"}:
            assert 3.0 <= soundfile.info(str(prompt)).duration <= 8.0, prompt


def test_the_listing_tells_the_seconds_of_ground_truth(sets: dict[str, TestSet]) -> None:
    listed = {row["name"]: row["seconds"] for row in testsets.listing()}
    for name, testset in sets.items():
        seconds = sum(soundfile.info(str(sample.truth)).duration for sample in testset.samples if sample.truth)
        assert listed[name] == round(seconds)


def test_all_sets_together_stay_under_twelve_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 12_000_000


@pytest.mark.parametrize("name, each", [("emergent-en", 10), ("emergent-zh", 6)])
def test_emergent_sets_have_seven_categories_and_criteria_for_each(
    sets: dict[str, TestSet], name: str, each: int
) -> None:
    counts = Counter(sample.category for sample in sets[name].samples)
    assert len(counts) == 7 and set(counts.values()) == {each}
    rules = testsets.criteria(name[-2:])
    assert set(rules) == set(counts)
    assert all(set(rule) == {"looks_at", "1", "2", "3"} and all(rule.values()) for rule in rules.values())


@pytest.mark.parametrize("name, long", [("hard-en", 370), ("hard-zh", 100)])
def test_hard_texts_are_hard(sets: dict[str, TestSet], name: str, long: int) -> None:
    texts: dict[str, list[str]] = {}
    for sample in sets[name].samples:
        texts.setdefault(sample.category, []).append(sample.text)
    assert set(texts) == {"tongue twister", "repetition", "numbers", "very short", "very long"}
    assert all(len(text) > long for text in texts["very long"])
    assert all(len(text) <= 9 for text in texts["very short"])
    assert all(any(char.isdigit() or char == "X" for char in text) for text in texts["numbers"])


def test_most_rows_are_spoken_by_voices_kept_for_testing(sets: dict[str, TestSet]) -> None:
    kept = kept_for_testing()
    kept |= {name for name, spec in choose.BLENDS.items() if set(parse_voice(spec)) <= kept}
    for name, testset in sets.items():
        speakers = Counter(sample.speaker for sample in testset.samples)
        assert sum(count for voice, count in speakers.items() if voice in kept) > len(testset.samples) / 2
        if name not in ("librispeech-mini", "seed-mini", "seed-mini-zh", "quick"):
            assert set(speakers) <= kept
    english = {sample.speaker for sample in sets["seed-mini"].samples}
    mandarin = {sample.speaker for sample in sets["seed-mini-zh"].samples}
    assert len(english) >= 16 and len(english & kept) >= 8
    assert len(mandarin) >= 8 and len(mandarin & kept) >= 3
    assert {sample.speaker for sample in sets["quick"].samples} == english | mandarin


@pytest.mark.parametrize("name", ["seed-mini", "seed-mini-zh"])
def test_seed_mini_clones_across_sentences(sets: dict[str, TestSet], name: str) -> None:
    samples = sets[name].samples
    assert not {s.prompt_text for s in samples} & {s.text for s in samples}
    for sample in samples:
        assert sample.prompt is not None and sample.prompt.stem == f"{sample.speaker}_p1"


def test_quick_takes_its_rows_from_the_larger_sets(sets: dict[str, TestSet]) -> None:
    def told(sample: Sample) -> tuple[object, ...]:
        assert sample.prompt and sample.truth
        return sample.id, sample.text, sample.prompt_text, sample.prompt.resolve(), sample.truth.resolve()

    whole = {told(sample) for name in ("seed-mini", "seed-mini-zh") for sample in sets[name].samples}
    assert {told(sample) for sample in sets["quick"].samples} <= whole
    assert Counter(sample.language for sample in sets["quick"].samples) == {"en": 24, "zh": 12}


def test_continuations_are_cut_between_words_near_three_seconds(sets: dict[str, TestSet]) -> None:
    levels = []
    for sample in sets["librispeech-mini"].samples:
        assert sample.task == "continuation" and sample.prompt == sample.truth and sample.truth is not None
        assert 2.4 <= sample.prompt_seconds <= 3.6
        samples, rate = audio.read(sample.truth)
        assert 4.0 <= samples.size / rate <= 10.0
        cut, half = round(sample.prompt_seconds * rate), rate // 200
        levels.append(np.sqrt(np.mean(samples[cut - half : cut + half] ** 2) / np.mean(samples**2)))
    # most words end in a closure or a pause; a few run into the next one
    assert np.median(levels) < 0.15


@pytest.mark.parametrize("name, most", [("seed-mini", 0.03), ("seed-mini-zh", 0.06), ("librispeech-mini", 0.05)])
def test_sentences_were_chosen_by_ground_truth_as_the_cards_say(
    sets: dict[str, TestSet], name: str, most: float
) -> None:
    rows = choose.chosen(name)
    assert len(rows) == ROWS[name]
    for row, sample in zip(rows, sets[name].samples, strict=True):
        whole = sample.text if name != "librispeech-mini" else f"{sample.prompt_text} {sample.text}"
        assert (choose.without_readings(row.sentence), row.voice) == (whole, sample.speaker)
    errors, words = sum(row.errors for row in rows), sum(row.words for row in rows)
    assert errors / words <= most
    card = (FOLDER / name / "card.md").read_text(encoding="utf-8")
    assert f"errs on {errors} of {words}" in " ".join(card.split())


def test_the_recogniser_does_as_noted_on_some_of_the_audio_that_ships(sets: dict[str, TestSet]) -> None:
    pytest.importorskip("faster_whisper", reason="needs extra 'judges'")
    noted = {(choose.without_readings(row.sentence), row.voice): row.errors for row in choose.chosen("seed-mini-zh")}
    for sample in sets["seed-mini-zh"].samples[::12]:
        assert sample.truth is not None
        found = choose.word_errors(sample.text, choose.hear(audio.read(sample.truth)[0], "zh"), "zh")
        assert abs(found - noted[sample.text, sample.speaker]) <= 1  # another build of libopus may cost a character


def test_listing_and_loading_import_no_torch() -> None:
    code = (
        "import json, sys; from ttsbench import testsets; testsets.listing(); light = 'numpy' not in sys.modules;"
        "testsets.load('seed-mini'); print(json.dumps([light, 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, False]
