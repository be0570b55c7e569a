"""The published layouts, read through the front door from lists written here and from real ones."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import testsets
from ttsbench.records import Sample

SHARED = Path(os.environ.get("TTSBENCH_SHARED", "../shared")) / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real speech is not at {SHARED} (see TTSBENCH_SHARED)")


def tone(path: Path, seconds: float = 0.2, rate: int = 16000, pitch: float = 220.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.1 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, wave.astype(np.float32), rate)
    return path


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    tone(tmp_path / "prompt-wavs/p1.wav")
    tone(tmp_path / "wavs/p1-t1.wav", pitch=330)
    return tmp_path


@pytest.mark.parametrize(
    "line, prompt_text, has_prompt",
    [
        ("p1-t1|Said before.|prompt-wavs/p1.wav|Say this.|wavs/p1-t1.wav", "Said before.", True),
        ("p1-t1|Said before.|prompt-wavs/p1.wav|Say this.", "Said before.", True),
        ("p1-t1.wav|Say this.|prompt-wavs/p1.wav", "", True),
        ("p1-t1|Say this.", "", False),
    ],
)
def test_seed_list_with_two_to_five_fields(seed: Path, line: str, prompt_text: str, has_prompt: bool) -> None:
    path = write(seed / "meta.lst", line)
    (sample,) = testsets.load(f"seed-en={path}").samples
    assert sample == Sample(
        id="p1-t1",
        text="Say this.",
        language="en",
        prompt=seed / "prompt-wavs/p1.wav" if has_prompt else None,
        prompt_text=prompt_text,
        truth=seed / "wavs/p1-t1.wav",
        speaker="p1" if has_prompt else "",
    )


def test_seed_sets_have_their_language_and_file_names(seed: Path) -> None:
    write(seed / "meta.lst", "p1-t1|你好。|prompt-wavs/p1.wav|今天天气很好。")
    write(seed / "hardcase.lst", "h1|你好。|prompt-wavs/p1.wav|四是四。", "h2|你好。|prompt-wavs/p1.wav|十是十。")
    assert [s.language for s in testsets.load(f"seed-zh={seed}").samples] == ["zh"]
    assert [s.id for s in testsets.load(f"seed-hard={seed}").samples] == ["h1", "h2"]


def test_an_absolute_prompt_is_taken_as_it_stands(tmp_path: Path, seed: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path / "elsewhere/meta.lst", f"a|One.|{seed / 'prompt-wavs/p1.wav'}|Two.")
    assert testsets.load(f"seed-en={path}").samples[0].prompt == seed / "prompt-wavs/p1.wav"


def test_librispeech_pc_finds_prompt_and_truth_in_the_tree(tmp_path: Path) -> None:
    for utt in ("61-70968-0001", "61-70968-0002"):
        tone(tmp_path / f"LibriSpeech/test-clean/61/70968/{utt}.flac")
    path = write(tmp_path / "a.lst", "61-70968-0001\t2.7\tThe prompt.\t61-70968-0002\t4.5\tThe target.")
    (sample,) = testsets.load(f"librispeech-pc={path},audio={tmp_path / 'LibriSpeech'}").samples
    assert (sample.id, sample.text, sample.prompt_text, sample.speaker) == (
        "61-70968-0002",
        "The target.",
        "The prompt.",
        "61",
    )
    assert sample.prompt == tmp_path / "LibriSpeech/test-clean/61/70968/61-70968-0001.flac"
    assert sample.truth == tmp_path / "LibriSpeech/test-clean/61/70968/61-70968-0002.flac"


def test_continuation_takes_four_to_ten_seconds_and_cuts_three(tmp_path: Path) -> None:
    for number, seconds in enumerate((3.9, 4.0, 7.0, 10.0, 10.1)):
        tone(tmp_path / f"84/121550/84-121550-000{number}.flac", seconds)
    lines = [f"84-121550-000{number} WORDS OF {number}" for number in range(5)]
    write(tmp_path / "84/121550/84-121550.trans.txt", *lines)
    samples = testsets.load(f"librispeech-continuation={tmp_path}").samples
    assert [s.id[-1] for s in samples] == ["1", "2", "3"]
    first = samples[0]
    assert (first.task, first.prompt_seconds, first.text, first.speaker) == ("continuation", 3.0, "WORDS OF 1", "84")
    assert first.prompt == first.truth
    longer = testsets.load(f"librispeech-continuation={tmp_path},seconds=2,longest=11").samples
    assert [s.prompt_seconds for s in longer] == [2.0] * 4


def test_zipvoice_list(tmp_path: Path) -> None:
    tone(tmp_path / "p.wav")
    path = write(tmp_path / "test.tsv", "u1\tThe prompt.\tp.wav\tThe text.")
    (sample,) = testsets.load(f"zipvoice={path}").samples
    assert (sample.id, sample.prompt_text, sample.text, sample.prompt) == (
        "u1",
        "The prompt.",
        "The text.",
        tmp_path / "p.wav",
    )


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "json"])
def test_emergent_sentences_have_a_category_and_get_ids(tmp_path: Path, ending: str) -> None:
    rows = [("Questions", "Did you, really?"), ("Foreign words", 'The "maître d\'" bowed.'), ("Questions", "Who?")]
    path = tmp_path / f"set.{ending}"
    if ending == "tsv":
        write(path, "category\ttext", *(f"{c}\t{t}" for c, t in rows))
    elif ending == "csv":
        write(path, "category,text", *(f'{c},"{t.replace(chr(34), chr(34) * 2)}"' for c, t in rows))
    elif ending == "jsonl":
        write(path, *(json.dumps({"category": c, "text": t}) for c, t in rows))
    else:
        write(path, json.dumps({"items": [{"category": c, "text": t} for c, t in rows]}, indent=1))
    samples = testsets.load(f"emergent={path}").samples
    assert [(s.category, s.text) for s in samples] == rows
    assert [s.id for s in samples] == ["questions-01", "foreign-words-01", "questions-02"]


def test_table_with_other_column_names_and_a_selection(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tone(tmp_path / f"{name}.wav")
    path = write(tmp_path / "t.tsv", "sys\tutt\tsaid\twav", "x\tu1\tHi there.\ta.wav", "y\tu1\tHi there.\tb.wav")
    (sample,) = testsets.load(f"manifest={path},text=said,truth=wav,only=sys:y,task=resynthesis,language=de").samples
    assert sample == Sample("u1", "Hi there.", "de", "resynthesis", truth=tmp_path / "b.wav")


def test_folder_with_texts_beside_the_audio(tmp_path: Path) -> None:
    for speaker, utt in (("ann", "u1"), ("ann", "u2"), ("bob", "u3")):
        write(tone(tmp_path / speaker / f"{utt}.wav").with_suffix(".txt"), f"Text of {utt}.")
    testset = testsets.load(f"folder={tmp_path},prompt=next,name=mine")
    assert testset.name == "mine"
    assert [(s.id, s.speaker, s.text) for s in testset.samples] == [
        ("u1", "ann", "Text of u1."),
        ("u2", "ann", "Text of u2."),
        ("u3", "bob", "Text of u3."),
    ]
    assert [s.prompt and s.prompt.name for s in testset.samples] == ["u2.wav", "u1.wav", None]
    assert testset.samples[0].prompt_text == "Text of u2."


def test_texts_are_data(tmp_path: Path) -> None:
    texts = [
        "<script>alert(1)</script>",
        '=HYPERLINK("x")',
        "one\ntwo",
        "\u202eright to left\u202c שלום",
        "word " * 1000,
    ]
    path = write(tmp_path / "t.jsonl", *(json.dumps({"id": f"u{i}", "text": t}) for i, t in enumerate(texts)))
    assert [s.text for s in testsets.load(f"manifest={path}").samples] == [t.strip() for t in texts]


def test_digest_follows_fields_and_audio_but_not_the_place(tmp_path: Path) -> None:
    digests = []
    for place, text, pitch in (("a", "Hi.", 220.0), ("b", "Hi.", 220.0), ("c", "Ho.", 220.0), ("d", "Hi.", 221.0)):
        tone(tmp_path / place / "p.wav", pitch=pitch)
        path = write(tmp_path / place / "test.tsv", f"u1\tPrompt.\tp.wav\t{text}")
        digests.append(testsets.load(f"zipvoice={path}").digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_two_thousand_rows_are_checked_quickly(tmp_path: Path) -> None:
    for number in range(40):
        tone(tmp_path / f"prompt-wavs/p{number}.wav", 3.0)
    rows = (f"u{n}|Before.|prompt-wavs/p{n % 40}.wav|After number {n}.|prompt-wavs/p{n % 7}.wav" for n in range(2020))
    path = write(tmp_path / "meta.lst", *rows)
    began = time.perf_counter()
    assert len(testsets.load(f"seed-zh={path}").samples) == 2020
    assert time.perf_counter() - began < 3.0


@needs_shared
@pytest.mark.parametrize(
    "spec, rows, first",
    [
        ("seed-en={}/seed-tts-sample/en_meta.lst,audio=none", 2, "common_voice_en_10119832-common_voice_en_10119840"),
        (
            "librispeech-pc={}/f5-tts/librispeech_pc_test_clean_cross_sentence.lst,audio=none",
            1127,
            "4992-23283-0000",
        ),
        ("manifest={}/coval-tts-v1/tts-v1.json,id=testcase_id,text=transcript", 30, None),
        ("folder={}/librispeech-test-other", 50, None),
        (
            "librispeech-continuation={0}/librispeech-mini/dev-clean-2,transcripts={0}/librispeech-mini/dev-clean-2.jsonl",
            4,
            None,
        ),
        (
            "manifest={}/published-values/libritts-systems/samples.tsv,text=wer_ref,prompt=enroll,truth=path,"
            "only=system:reference_raw",
            58,
            "4970_29093_000039_000000",
        ),
    ],
)
def test_real_lists(spec: str, rows: int, first: str | None) -> None:
    testset = testsets.load(spec.format(SHARED, SHARED))
    assert len(testset.samples) == rows
    assert first is None or testset.samples[0].id == first
    assert all(s.speaker for s in testset.samples) or "coval" in spec


def test_the_listing_names_the_published_sets_and_their_rows() -> None:
    rows = {row["name"]: row for row in testsets.listing()}
    assert (rows["seed-en"]["rows"], rows["seed-zh"]["rows"], rows["seed-hard"]["rows"]) == (1088, 2020, 400)
    assert (rows["librispeech-pc"]["rows"], rows["librispeech-pc"]["seconds"]) == (1127, 7236)
    assert all(row["licence"] and row["where"] for row in rows.values())
