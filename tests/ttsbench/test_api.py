"""`import ttsbench`: light, and everything that its docstrings show."""

from __future__ import annotations

import doctest
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas
import pytest

import ttsbench
from ttsbench import api, audio
from ttsbench.errors import UserError
from ttsbench.records import Sample, TestSet

VOICE = """
import numpy as np
from ttsbench.records import Card

class Voice:
    card = Card("voice", version="1")

    def synthesize(self, sample, seed):
        if "fail" in sample.text:
            raise RuntimeError("not this one")
        yield np.sin(np.arange(16000) / 20).astype(np.float32) / 3
"""


@pytest.fixture
def voice(tmp_path: Path) -> str:
    (tmp_path / "voice.py").write_text(textwrap.dedent(VOICE))
    return f"python:{tmp_path / 'voice.py'}:Voice"


@pytest.fixture
def texts() -> TestSet:
    samples = tuple(Sample(name, text, speaker=name) for name, text in (("a", "good words"), ("b", "please fail")))
    return TestSet("toy", samples, licence="", source="", digest="toy")


def test_the_import_is_light_and_quick() -> None:
    begun = time.perf_counter()
    code = "import sys, ttsbench; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules); print(dir(ttsbench))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "score_clip" in done.stdout
    code = "import time; t = time.perf_counter(); import ttsbench; print(time.perf_counter() - t)"
    seconds = min(float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3))
    assert seconds < 0.3, f"{seconds:.2f} s, begun {begun}"


def test_the_functions_are_no_modules() -> None:
    from ttsbench import benchmark, scoring, speaking  # loading the stages must not hide the functions

    assert benchmark and scoring and speaking
    for name in ("load_testset", "load_system", "speak", "score", "report", "compare", "score_clip", "Result"):
        assert callable(getattr(ttsbench, name)) and name in dir(ttsbench), name
    with pytest.raises(AttributeError, match="no attribute 'spek'"):
        ttsbench.spek  # noqa: B018


def test_the_docstrings_show_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    found = doctest.testmod(api, optionflags=flags)
    assert found.attempted >= 15 and found.failed == 0


def test_a_result_is_data_frames(voice: str, texts: TestSet, tmp_path: Path) -> None:
    spoken = ttsbench.speak(voice, texts, tmp_path / "runs", shared_machine=True)
    with pytest.raises(UserError, match="no scores yet"):
        spoken.summary()
    rows = spoken.frame()
    assert list(rows.index) == ["a", "b"] and list(rows["system"]) == ["voice", "voice"]
    assert rows.loc["a", "seconds"] == 1 and Path(rows.loc["a", "audio"]).is_file() and rows.loc["a", "error"] == ""
    assert rows.loc["b", "audio"] == "" and "not this one" in rows.loc["b", "error"]
    result = ttsbench.score(spoken, only=["rtf", "length-ratio"])
    rows, table = result.frame(), result.summary()
    assert 0 < rows.loc["a", "embedded/rtf"] < 1 and pandas.isna(rows.loc["b", "embedded/rtf"])
    assert table.loc["rtf", "value"] == pytest.approx(rows.loc["a", "embedded/rtf"])
    assert list(table.loc["rtf", ["asked", "scored", "failed"]]) == [2, 1, 1]
    result = ttsbench.score(spoken, only=["wer"])
    assert result.summary().loc["wer", "failed"] == 1 and set(result.errors()["id"]) == {"b"}
    assert "not this one" in result.errors().set_index("id").loc["b", "error"]
    assert ttsbench.score(str(result.folder), only=["rtf"]).folder == result.folder


def test_what_cannot_be_done_is_said(voice: str, texts: TestSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run"):
        ttsbench.score(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"nothing\.wav: no such file"):
        ttsbench.score_clip("nothing.wav", text="x")
    with pytest.raises(UserError, match=r"notes\.txt: not an audio file"):
        ttsbench.score_clip("notes.txt", text="x")
    with pytest.raises(UserError, match="written in a file"):
        ttsbench.speak(3, texts, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="limit=-1"):
        ttsbench.load_testset("seed-mini", limit=-1)
    with pytest.raises(UserError, match="alpha=5"):
        ttsbench.compare(tmp_path, tmp_path, alpha=5)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"broken\.wav"):
        ttsbench.score_clip(tmp_path / "broken.wav", text="x", only=["wer"])


def test_a_class_in_a_file_is_a_system(texts: TestSet, tmp_path: Path) -> None:
    examples = Path(__file__).resolve().parents[2] / "examples"
    sys.path.insert(0, str(examples))
    try:
        from tone import Tone
    finally:
        sys.path.remove(str(examples))
    result = ttsbench.speak(Tone, texts, tmp_path, name="notes")
    assert list(result.frame()["error"]) == ["", ""] and set(result.frame()["system"]) == {"notes"}


def test_a_clip_without_text_or_prompt_is_asked_less(tmp_path: Path) -> None:
    audio.write(tmp_path / "clip.wav", np.sin(np.arange(16000) / 20).astype(np.float32) / 3, 16000)
    assert ttsbench.score_clip(tmp_path / "clip.wav", only=["wer", "sim-o"]) == {}  # no prompt: no similarity
    with pytest.raises(UserError, match="give text="):
        ttsbench.score_clip(tmp_path / "clip.wav", only=["wer"])
    found = ttsbench.score_clip(tmp_path / "clip.wav", truth=tmp_path / "clip.wav", only=["length-ratio"])
    assert found["length-ratio"].value == 1
