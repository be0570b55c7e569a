"""CV3-Eval, MiniMax's set and RVCBench's prompts, laid out as their publishers do: every field, and rows counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import corpora, testsets
from ttsbench.errors import MissingFile
from ttsbench.progress import Progress
from ttsbench.records import Sample
from ttsbench.testsets.evaluations import CV3_ROWS, MINIMAX


def tone(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) / 9), 16000)
    return path


def cv3(root: Path, place: str, rows: int) -> Path:
    leaf = root / "data" / place
    tone(leaf / "waveform/prompt_audio_1.wav")
    keys = [f"uttid_{number}" for number in range(1, rows + 1)]
    clip = f"data/{place.replace('/', '//')}/waveform/prompt_audio_1.wav"
    for name, value in (("text", "Say this {}."), ("prompt_text", "Said before {}."), ("prompt_wav.scp", clip)):
        (leaf / name).write_text("".join(f"{key} {value.format(key)}\n" for key in keys))
    return leaf


@pytest.mark.parametrize(
    ("place", "language"), [("zero_shot/hard_en", "en"), ("cross_lingual_zeroshot/to_hard_zh", "zh")]
)
def test_a_leaf_of_cv3_is_read_whole(tmp_path: Path, place: str, language: str) -> None:
    leaf = cv3(tmp_path, place, CV3_ROWS[place])
    samples = testsets.load(f"cv3={leaf}").samples
    assert len(samples) == CV3_ROWS[place]
    prompt = tmp_path / "data" / place / "waveform/prompt_audio_1.wav"
    wanted = Sample(
        "uttid_1", "Say this uttid_1.", language, prompt=samples[0].prompt, prompt_text="Said before uttid_1."
    )
    assert samples[0] == wanted and samples[0].prompt and samples[0].prompt.resolve() == prompt.resolve()


def test_rows_that_cv3_lacks_are_told(tmp_path: Path) -> None:
    leaf = cv3(tmp_path, "zero_shot/hard_en", 63)
    with pytest.raises(testsets.TestSetError, match=r"published are 64 rows.*'63 rows'"):
        testsets.load(f"cv3={leaf}")
    with pytest.raises(testsets.TestSetError, match="no folder of CV3-Eval"):
        testsets.load(f"cv3={tmp_path / 'data'}")


def test_the_published_rows_of_cv3_add_up() -> None:
    zero_shot = sum(rows for place, rows in CV3_ROWS.items() if place.startswith("zero_shot"))
    assert (zero_shot, sum(CV3_ROWS.values()) - zero_shot) == (5124, 2524)


def minimax(root: Path, rows: int) -> Path:
    clip = root / "speaker/english/english_female/common_voice_en_1.mp3"
    clip.parent.mkdir(parents=True)
    soundfile.write(clip, 0.1 * np.sin(np.arange(16000) / 9), 16000, format="MP3")
    (root / "speaker/prompt_text.txt").write_text("common_voice_en_1.mp3|Said | before.\n")
    (root / "text").mkdir()
    file = root / "text/english.txt"
    file.write_text("".join(f"english_female|Say {number}|this.\n" for number in range(1, rows + 1)))
    return file


def test_a_language_of_minimax(tmp_path: Path) -> None:
    samples = testsets.load(f"minimax={minimax(tmp_path, 100)}").samples
    assert len(samples) == 100 and len(MINIMAX) == 24
    first = samples[0]
    assert (first.id, first.text, first.language, first.speaker) == (
        "english_female_001",
        "Say 1|this.",
        "en",
        "english_female",
    )
    assert first.prompt_text == "Said | before."


def test_rows_that_minimax_lacks_are_told(tmp_path: Path) -> None:
    with pytest.raises(testsets.TestSetError, match="published are 100 rows"):
        testsets.load(f"minimax={minimax(tmp_path, 99)}")


def rvcbench(root: Path, rows: int, announced: int) -> Path:
    lines = []
    for number in range(rows):
        tone(root / f"references/vctk/p{number}.wav")
        row = {"id": f"vctk__p{number}", "task": "vctk", "pair_id": f"p{number}", "speaker_id": "s1", "language": "EN"}
        row |= {"reference_audio": f"references/vctk/p{number}.wav", "reference_text": "Said.", "text": "Say\nthis."}
        lines.append(json.dumps(row))
    (root / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    (root / "suite.json").write_text(json.dumps({"suite": "vctk-only", "prompts": announced}))
    return root


def test_prompts_of_rvcbench_and_their_targets(tmp_path: Path) -> None:
    tone(tmp_path / "targets/vctk/p0.wav")
    tone(tmp_path / "targets/vctk__p1.flac")
    first, second = testsets.load(f"rvcbench={rvcbench(tmp_path, 2, 2)},targets={tmp_path / 'targets'}").samples
    assert (first.id, first.text, first.language, first.category) == ("vctk__p0", "Say\nthis.", "en", "vctk")
    assert first.truth == tmp_path / "targets/vctk/p0.wav" and second.truth == tmp_path / "targets/vctk__p1.flac"
    assert testsets.load(f"rvcbench={tmp_path}").samples[0].truth is None


def test_prompts_of_rvcbench_are_counted(tmp_path: Path) -> None:
    with pytest.raises(testsets.TestSetError, match="published are 3 rows"):
        testsets.load(f"rvcbench={rvcbench(tmp_path, 2, 3)}")


def test_sets_that_a_publisher_keeps_say_how_they_are_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSBENCH_DATA", str(tmp_path))
    for name, command in (("cv3-zero-shot-en", "git clone"), ("minimax-yue", "hf download")):
        with pytest.raises(testsets.TestSetError, match=rf"{command} .*{tmp_path}"):
            testsets.load(name)
        with pytest.raises(MissingFile, match=f"{command}.*licence"):
            corpora.fetch(name, Progress())
    cv3(tmp_path / "CV3-Eval", "zero_shot/hard_en", 64)
    assert testsets.load("cv3-zero-shot-hard-en").name == "cv3-zero-shot-hard-en"
    assert corpora.fetch("cv3-zero-shot-hard-en", Progress()) == tmp_path / "CV3-Eval/data/zero_shot/hard_en/text"
    (row,) = [each for each in testsets.listing() if each["name"] == "cv3-zero-shot-hard-en"]
    assert (row["rows"], row["languages"]) == (64, "en") and "64 rows" in row["here"]
