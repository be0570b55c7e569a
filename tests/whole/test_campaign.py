"""`run`, `score`, `report` and `merge` through the installed command: what is said, what is written, how it ends."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.progress import Progress, duration
from ttsbench.store import Run

TTSBENCH = Path(sys.executable).with_name("ttsbench")
SYSTEMS = """
import numpy as np
from ttsbench.records import Card

class Good:
    card = Card("good", version="1")

    def synthesize(self, sample, seed):
        for word in sample.text.split():
            yield (0.3 * np.sin(2 * np.pi * (100 + 20 * len(word)) * np.arange(4000) / 16000)).astype(np.float32)

class Flaky(Good):
    card = Card("flaky", version="1")

    def synthesize(self, sample, seed):
        if sample.id == "two":
            raise RuntimeError("the tokenizer has no letter for this")
        yield from super().synthesize(sample, seed)

class Dutch(Good):
    card = Card("dutch", version="1", languages=("nl",))
"""
QUICK = ("--metrics", "rtf,length-ratio")
ALONE = ("--shared-machine",)  # other tests may run beside


def command(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(TTSBENCH), *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of systems, and a folder of three recordings with transcripts."""
    place = tmp_path_factory.mktemp("run")
    (place / "systems.py").write_text(textwrap.dedent(SYSTEMS))
    (place / "truth").mkdir()
    rows = ["utt\ttext"]
    for name, text in (("one", "a first sentence"), ("two", "and the second one"), ("three", "the last")):
        noise = np.random.default_rng(0).normal(0, 0.1, 16000).clip(-1, 1)
        soundfile.write(place / "truth" / f"{name}.wav", noise, 16000)
        rows.append(f"{name}\t{text}")
    (place / "truth" / "transcripts.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def good(place: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run in which everything holds."""
    return place / "good", command(*spoken(place, "Good"), "--out", place / "good")


def spoken(place: Path, *names: str) -> list[object]:
    systems = [word for name in names for word in ("--system", f"python:{place / 'systems.py'}:{name}")]
    return ["run", *systems, "--testset", f"folder={place / 'truth'},name=toy", *QUICK, *ALONE]


def test_a_run_tells_its_plan_its_results_and_where_the_page_is(good) -> None:
    out, done = good
    said = done.stderr
    order = [
        "test sets: toy (3 rows)",
        "2 runs, 6 rows, perhaps ",
        "ground-truth on toy: collecting",
        f"{out / 'report.html'} is there",
        "1 of 2 done, about ",
        "Good on toy: speaking, 0 of 3 done",
        "Good on toy: speaking, 3 done in ",
        "Good on toy: RTF ",
        f"2 runs scored. Open {out / 'report.html'}",
    ]
    places = [said.index(text) for text in order]
    assert places == sorted(places), said
    assert "RTF" in done.stdout and "n/a" in done.stdout  # the recordings were not timed


def test_a_run_leaves_audio_scores_a_page_and_a_table(good) -> None:
    out, _ = good
    run = Run.open(out / "good@toy")
    assert {row.error for row in run.syntheses.values()} == {""} and len(list((run.path / "audio").iterdir())) == 3
    assert [metric.name for metric in run.metrics("embedded")] == ["rtf", "length-ratio"]
    page = (out / "report.html").read_text()
    assert "and the second one" in page and "data:audio" in page
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert {row["system"] for row in rows} == {"ground-truth", "good"}


def test_the_same_command_does_nothing_twice(good, place: Path) -> None:
    out, _ = good
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/synth.jsonl")}
    done = command(*spoken(place, "Good"), "--out", out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/synth.jsonl")} == before
    assert "speaking, 0 of 3" not in done.stderr and "Good on toy: RTF " in done.stderr


def test_failed_rows_are_counted_with_their_reason_and_the_run_ends_with_1(place: Path) -> None:
    out = place / "flaky"
    done = command(*spoken(place, "Flaky", "Good"), "--out", out, status=1)
    said = done.stdout + done.stderr
    assert "1 of 3 rows" in said and "the tokenizer has no letter for this (1)" in said
    assert "1 row has no usable output" in done.stderr and f"Open {out / 'report.html'}" in done.stderr
    assert "the tokenizer has no letter" in (out / "report.html").read_text()
    assert (out / "good@toy" / "scores").is_dir() and (out / "results.csv").is_file()
    done = command("report", out, status=1)
    assert "the tokenizer has no letter for this (1)" in done.stdout
    both = *spoken(place, "Flaky", "Good"), "--out", out, "--fail-on-error"
    command(*both, "0.34")
    done = command(*both, "0.33", status=1)
    assert "33.3 % of the rows of flaky on toy failed: more than the 33 % of --fail-on-error" in done.stderr


def test_a_metric_that_failed_is_no_metric_that_does_not_apply(place: Path) -> None:
    silent = place / "silent"
    silent.mkdir(exist_ok=True)
    for name in ("one", "two", "three"):
        soundfile.write(silent / f"{name}.wav", np.zeros(16000), 16000)
    words = ["score", silent, "--testset", f"folder={place / 'truth'},name=toy", *QUICK, "--out", place / "void"]
    done = command(*words, status=1)
    (row,) = [line for line in done.stdout.splitlines() if line.lstrip().startswith("Length ratio")]
    assert "failed 3 of 3" in row and "n/a" not in row
    (row,) = [line for line in done.stdout.splitlines() if line.lstrip().startswith("RTF")]
    assert "not applicable" in row and "failed" not in row
    assert "3 rows have no usable output" in done.stderr and "silent on toy: " in done.stderr
    done = command(*words, "--json", status=1)
    assert "silent gave no usable speech for 3 of 3 rows" in done.stderr
    cells = {(cell["system"], cell["metric"]): cell for cell in json.loads(done.stdout)}
    assert cells["silent", "length-ratio"]["failed"] == 3 and cells["silent", "rtf"]["failed"] == 0


def test_a_system_that_cannot_run_is_named_and_the_others_go_on(place: Path) -> None:
    done = command(*spoken(place, "Nobody", "Good"), "--out", place / "nobody", status=1)
    assert "Nobody" in done.stderr


def test_a_system_of_another_language_is_skipped_with_the_reason(place: Path) -> None:
    done = command(*spoken(place, "Dutch", "Good"), "--out", place / "dutch")
    assert "the system speaks nl and the set does not" in done.stderr and not list((place / "dutch").glob("dutch@*"))


def test_a_run_folder_is_scored_again_and_reported(good, place: Path, tmp_path: Path) -> None:
    shutil.copytree(good[0], tmp_path / "copy")
    run = tmp_path / "copy" / "good@toy"
    done = command("score", run, "--metrics", "first-chunk")
    assert "first-chunk" in (run / "scores" / "embedded" / "protocol.json").read_text()
    assert "1 run scored" in done.stderr and "good" in done.stdout
    done = command("report", *sorted((tmp_path / "copy").glob("*@*")), "--out", tmp_path / "pages", "--json")
    assert {cell["system"] for cell in json.loads(done.stdout)} == {"ground-truth", "good"}
    assert (tmp_path / "pages" / "report.html").is_file() and (tmp_path / "pages" / "results.csv").is_file()
    assert "not a run folder" in command("report", tmp_path / "pages", status=1).stderr


def test_pieces_are_merged_into_the_whole(place: Path, tmp_path: Path) -> None:
    for piece in ("1/2", "2/2"):
        command(*spoken(place, "Good"), "--shard", piece, "--out", tmp_path / "pieces")
    pieces = sorted((tmp_path / "pieces").glob("good@*"))
    done = command("merge", *pieces, "--into", tmp_path / "whole" / "good@toy")
    whole = Run.open(tmp_path / "whole" / "good@toy")
    assert [sample.id for sample in whole.samples] == ["one", "three", "two"]
    assert {row.error for row in whole.syntheses.values()} == {""}
    assert [metric.name for metric in whole.metrics("embedded")] == ["rtf", "length-ratio"]
    assert "1 run scored" in done.stderr and (tmp_path / "whole" / "report.html").is_file()
    said = command("merge", pieces[0], "--into", tmp_path / "half", status=1).stderr
    assert "2" in said and not (tmp_path / "half" / "run.json").exists()


def test_progress_counts_new_rows_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    note = progress.named("x on y")
    for done in (70, 71, 72):
        note(done, 72, "speaking")
    note(72, 72, "scoring")  # nothing to do: nothing to say
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "x on y: speaking, 70 of 72 done" and lines[1].startswith("x on y: speaking, 2 done in ")
    assert len(lines) == 2


def test_on_a_terminal_a_bar_starts_at_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []

    class Bar:
        def __init__(self, **given: object) -> None:
            made.append(given)
            self.n = given["initial"]

        def update(self, count: int) -> None:
            self.n += count

        def close(self) -> None:
            made[-1]["closed at"] = self.n

    monkeypatch.setattr("tqdm.tqdm", Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    note = Progress().named("x")
    note(70, 72, "speaking")
    note(72, 72, "speaking")
    assert made == [{"total": 72, "initial": 70, "desc": "x: speaking", "leave": False, "dynamic_ncols": True}
                    | {"closed at": 72}]  # fmt: skip


def test_durations() -> None:
    assert [duration(seconds) for seconds in (4.4, 99, 100, 3600, 7500)] == [
        "4 s",
        "99 s",
        "2 min",
        "60 min",
        "2 h 05 min",
    ]


def test_every_command_is_tried_somewhere() -> None:
    tests = Path(__file__).resolve().parents[1]
    text = "\n".join(path.read_text() for path in tests.rglob("*.py"))
    text += (tests.parent / "docs" / "tutorial.md").read_text()
    commands = {path.stem for path in (tests.parent / "ttsbench" / "commands").glob("[a-z]*.py")}
    called = ('"{}"', "ttsbench {} ", "commands import {}", "commands.{}", "ttsbench {}\n")
    assert not [name for name in commands if not any(form.format(name) in text for form in called)]


def test_the_installed_command_is_this_one() -> None:
    done = subprocess.run([str(TTSBENCH), "--version"], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0 and done.stdout.startswith("ttsbench 0.")
