"""A system is asked for the rows in its languages; the others are no failures of it and do not count."""

from __future__ import annotations

from pathlib import Path

import pytest

import ttsbench
from ttsbench import reports
from ttsbench.cli import main
from ttsbench.records import Sample, TestSet

VOICE = """
import numpy as np
from ttsbench.records import Card

class English:
    card = Card("english", languages=("en",))

    def synthesize(self, sample, seed):
        assert sample.language == "en"
        yield (0.3 * np.sin(np.arange(8000) / 9)).astype(np.float32)

class Every(English):
    card = Card("every", languages=("*",))

    def synthesize(self, sample, seed):
        yield (0.3 * np.sin(np.arange(8000) / 9)).astype(np.float32)
"""


@pytest.fixture
def mixed() -> TestSet:
    samples = (
        Sample("e1", "one row"),
        Sample("z1", "一句话", "zh"),
        Sample("e2", "two rows"),
        Sample("z2", "两句话", "zh"),
    )
    return TestSet("mixed", samples, "CC0", "here", digest="d" * 32)


def test_rows_of_other_languages_are_not_asked_and_do_not_count(mixed: TestSet, tmp_path: Path) -> None:
    (tmp_path / "voices.py").write_text(VOICE)
    spoken = ttsbench.speak(f"python:{tmp_path / 'voices.py'}:English", mixed, tmp_path, shared_machine=True)
    assert list(spoken.run.syntheses) == ["e1", "e2"]
    again = ttsbench.speak(f"python:{tmp_path / 'voices.py'}:English", mixed, tmp_path, shared_machine=True)
    assert again.folder == spoken.folder and list(again.run.syntheses) == ["e1", "e2"]
    summary = ttsbench.score(spoken, only=["rtf", "flagged"]).summary()
    assert list(summary["asked"]) == [2, 2] and list(summary["failed"]) == [0, 0]
    rows = {score.sample: score for score in spoken.run.scores("embedded", "rtf")}
    assert "does not speak it" in rows["z1"].na and rows["e1"].value
    page = ttsbench.report([spoken], tmp_path / "page").read_text()
    assert "the system does not speak it" in page and reports.failures(reports.load([spoken.folder])) == {}


def test_a_system_for_every_language_is_asked_for_all(mixed: TestSet, tmp_path: Path) -> None:
    (tmp_path / "voices.py").write_text(VOICE)
    spoken = ttsbench.speak(f"python:{tmp_path / 'voices.py'}:Every", mixed, tmp_path)
    assert sorted(spoken.run.syntheses) == ["e1", "e2", "z1", "z2"]


def test_the_command_ends_well_and_counts_what_it_will_speak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "voices.py").write_text(VOICE)
    (tmp_path / "list.csv").write_text("id,text,language\na,one row,en\nb,一句话,zh\n", encoding="utf-8")
    words = [
        "run",
        "--system",
        f"python:{tmp_path / 'voices.py'}:English",
        "--testset",
        f"manifest={tmp_path / 'list.csv'}",
    ]
    assert main([*words, "--metrics", "rtf", "--shared-machine", "--out", str(tmp_path / "runs")]) == 0
    assert "1 run, 1 row, perhaps" in capsys.readouterr().err
