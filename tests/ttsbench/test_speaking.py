"""Synthesis: the harness times, seeds, stores; whatever a system does wrong is one row's error."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ttsbench import audio
from ttsbench.execute import WorkerError
from ttsbench.execute.local import Local
from ttsbench.files import DiskFull
from ttsbench.outcome import Patience
from ttsbench.records import Sample, Synthesis
from ttsbench.speaking import seed_for, synthesize
from ttsbench.store import Run, append, file_digest

SYSTEM = """
import os, time
import numpy as np
from ttsbench.records import Card

def tone(seconds, rate=16000):
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)

class Voice:
    card = Card("voice", sample_rate=16000, streaming=True)

    def synthesize(self, sample, seed):
        word = sample.text.split()[0]
        if word == "crash":
            os.abort()
        if word == "hang":
            time.sleep(100)
        if word == "raise":
            raise ValueError("cannot say\\n<b>this</b>")
        if word == "foreign":
            raise RuntimeError(f"{sample.id}: no such language")
        if word == "disk":
            raise OSError(28, "No space left on device", "/scratch/their.wav")
        if word == "system-error":
            import soundfile
            raise soundfile.LibsndfileError(2, "Error opening 'x': ")
        if word == "nothing":
            return
        if word == "nan":
            yield np.full(800, np.nan, dtype=np.float32)
        if word == "stereo":
            yield np.zeros((800, 2), dtype=np.float32)
        if word == "integers":
            yield np.ones(800, dtype=np.int16)
        if word == "endless":
            while True:
                yield np.zeros(16000 * 60, dtype=np.float32)
        if word == "random":
            yield (0.3 * np.random.randn(1600)).clip(-1, 1).astype(np.float32)
            return
        yield np.zeros(1600, dtype=np.float32)
        time.sleep(0.05)
        yield tone(0.4)
        open(os.environ["COUNTER"], "a").write(sample.id + "\\n")

class Codec(Voice):
    card = Card("codec", sample_rate=16000)

    def resynthesize(self, samples, rate):
        return audio_half(samples)

def audio_half(samples):
    return (samples * 0.5).astype(np.float32)
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "voices.py"
    path.write_text(textwrap.dedent(SYSTEM))
    monkeypatch.setenv("COUNTER", str(tmp_path / "spoken"))
    return f"python:{path}:Voice"


def quiet(done: int, total: int, what: str) -> None:
    pass


class Here:
    """An executor without processes, for what needs none."""

    timed = True
    where = ""

    def run(self, tasks: Any, setup: Any, args: Any, **rest: Any) -> Iterator[tuple[int, Any]]:
        handle = setup(*args, rest["device"])
        return ((index, handle(task)) for index, task in enumerate(tasks))


def plan(**changes: Any) -> dict[str, Any]:
    """Arguments of `synthesize`."""
    usual = {
        "jobs": 1,
        "timeout": 30.0,
        "device": "cpu",
        "retry": False,
        "watched": False,
        "progress": quiet,
        "executor": Here(),
    }
    return {**usual, **changes}


def speak(run: Run, spec: str, timeout: float = 30.0, retry: bool = False, jobs: int = 1) -> dict[str, Synthesis]:
    synthesize(run, spec, jobs=jobs, timeout=timeout, device="cpu", retry=retry, watched=False, progress=quiet)
    return run.syntheses


def make(tmp_path: Path, *samples: Sample) -> Run:
    return Run.create(tmp_path / "run", {"seed": 1}, samples)


def test_chunks_are_timed_and_stored(tmp_path: Path, spec: str) -> None:
    row = speak(make(tmp_path, Sample("a", "hello")), spec)["a"]
    assert row.error == "" and row.seconds == pytest.approx(0.5)
    assert [chunk.samples for chunk in row.chunks] == [1600, 6400]
    assert row.chunks[1].at - row.chunks[0].at >= 0.05
    assert row.total is not None and row.total >= row.chunks[1].at
    # 0.1 s of silence is played from the first chunk on, then the tone
    assert row.audible == pytest.approx(max(row.chunks[0].at + 0.1, row.chunks[1].at), abs=0.01)
    samples, rate = audio.read(tmp_path / "run" / row.audio)
    assert rate == 16000 and samples.size == 8000


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("crash", "the process died (SIGABRT)"),
        ("hang", "no result after 2 s"),
        ("raise", "ValueError: cannot say <b>this</b>"),
        ("nothing", "the system gave no audio"),
        ("nan", "NaN or infinite"),
        ("stereo", "one-dimensional"),
        ("integers", "divide 16-bit integers by 32768"),
        ("endless", "more than 600 s"),
    ],
)
def test_one_bad_row_never_stops_the_others(tmp_path: Path, spec: str, text: str, error: str) -> None:
    run = make(tmp_path, Sample("bad", text), Sample("good", "hello"))
    rows = speak(run, spec, timeout=2.0)
    assert error in rows["bad"].error and rows["bad"].audio == ""
    assert rows["good"].error == "" and run.audio(rows["good"])


def test_resuming_repeats_nothing_and_loses_nothing(tmp_path: Path, spec: str) -> None:
    run = make(tmp_path, *(Sample(name, "hello") for name in "abcd"))
    first = speak(run, spec)
    lines = (run.path / "synth.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "synth.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:20])  # killed while writing the third row
    (run.path / first["a"].audio).write_bytes(b"damaged")
    spoken = (tmp_path / "spoken").read_text().split()
    second = speak(run, spec)
    again = (tmp_path / "spoken").read_text().split()[len(spoken) :]
    assert set(again) == {"a", "c", "d"} and second["b"] == first["b"]
    assert [row.error for row in second.values()] == [""] * 4


def test_failed_rows_are_kept_and_retried_on_request(tmp_path: Path, spec: str) -> None:
    run = make(tmp_path, Sample("a", "hello"))
    append(run.path / "synth.jsonl", Synthesis("a", error="server was down"))
    assert speak(run, spec)["a"].error == "server was down"
    assert speak(run, spec, retry=True)["a"].error == ""


def test_the_seed_depends_on_the_sample_alone(tmp_path: Path, spec: str) -> None:
    run = make(tmp_path, *(Sample(name, "random") for name in "abc"))
    one = speak(run, spec, jobs=2)
    (run.path / "synth.jsonl").write_bytes(b"")
    two = speak(run, spec, jobs=1)
    assert {key: row.digest for key, row in one.items()} == {key: row.digest for key, row in two.items()}
    assert len({row.digest for row in one.values()}) == 3
    assert one["a"].seed == seed_for(1, "a") != seed_for(2, "a")


def test_a_system_that_cannot_load_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no weights in ' + __file__)")
    run = make(tmp_path, Sample("a", "hello"))
    with pytest.raises(WorkerError, match="no weights in"):
        speak(run, f"python:{tmp_path / 'broken.py'}:Voice")


def test_continuation_and_resynthesis(tmp_path: Path, spec: str) -> None:
    truth = tmp_path / "truth.wav"
    soundfile.write(truth, 0.2 * np.sin(np.arange(24000 * 2) / 20), 24000)
    codec = spec.replace(":Voice", ":Codec")
    whole = Sample("c", "hello", task="continuation", prompt=truth, truth=truth, prompt_seconds=1.0)
    round_trip = Sample("r", "hello", task="resynthesis", truth=truth)
    run = make(tmp_path, whole, round_trip)
    rows = speak(run, codec)
    continued, _ = audio.read(run.path / rows["c"].audio)
    assert continued.size == 16000 + 8000 and rows["c"].seconds == pytest.approx(0.5)
    prompt, rate = audio.read(run.path / rows["c"].resynthesis)
    assert prompt.size / rate == pytest.approx(1.5)  # Codec keeps the 24 kHz samples and calls them 16 kHz
    assert rows["r"].error == "" and rows["r"].seconds == pytest.approx(3.0)
    plain = Run.create(tmp_path / "plain", {"seed": 1}, [round_trip])
    assert "no codec round trip" in speak(plain, spec)["r"].error


# --- what stops a run ---------------------------------------------------------------------------------------------


def test_the_first_utterance_is_spoken_twice_to_warm_up(tmp_path: Path, spec: str) -> None:
    synthesize(make(tmp_path, Sample("a", "hello"), Sample("b", "hello")), spec, **plan())
    assert (tmp_path / "spoken").read_text().split() == ["a", "a", "b"]


def test_five_equal_failures_in_a_row_stop_a_system_and_lose_nothing(tmp_path: Path, spec: str) -> None:
    samples = [Sample("ok", "hello"), *(Sample(f"z{n}", "foreign text", "zh") for n in range(7))]
    samples += [Sample("e1", "foreign"), *(Sample(f"e{n}", "hello") for n in range(2, 5))]
    run, said = make(tmp_path, *samples), []
    result = synthesize(run, spec, **plan(say=said.append))
    rows = run.syntheses
    assert list(rows) == [s.id for s in samples[:6]] + ["z5", "z6"] + [s.id for s in samples[8:]]
    assert [rows[f"z{n}"].error for n in range(5)] == [f"RuntimeError: z{n}: no such language" for n in range(5)]
    reason = "not tried, as 5 rows in a row failed alike: RuntimeError: z4: no such language"
    assert rows["z5"].error == rows["z6"].error == reason == result.stopped
    assert all(rows[name].error == "" for name in ("ok", "e2", "e3", "e4")) and result.failed == 8
    assert "8 of 12 rows failed (speak them again with --retry)" in said[0] and said[1] == reason
    (tmp_path / "voices.py").write_text((tmp_path / "voices.py").read_text().replace('"foreign"', '"spoken now"'))
    assert synthesize(run, spec, **plan()).kept == 12  # failed rows are kept too, until they are asked for
    again = synthesize(run, spec, **plan(retry=True))
    assert (again.kept, again.failed) == (4, 0)


def test_failures_that_differ_in_the_text_alone_are_equal() -> None:
    patience = Patience()
    ended = [patience.ended(f"no token for '{text} here'", Sample("e", f"{text} here")) for text in "vwxyz"]
    assert ended == [False] * 4 + [True]
    patience = Patience()  # a text that stands in the message by chance
    assert [patience.ended("not a word", Sample(name, name)) for name in "nowrd"] == [False] * 4 + [True]


def test_failures_that_differ_or_do_not_follow_each_other_stop_nothing(tmp_path: Path, spec: str) -> None:
    texts = ["foreign"] * 4 + ["hello"] + ["foreign"] * 4 + ["raise"] + ["foreign"] * 4
    run = make(tmp_path, *(Sample(f"s{n}", text) for n, text in enumerate(texts)))
    result = synthesize(run, spec, **plan())
    assert result.stopped == "" and not any("not tried" in row.error for row in run.syntheses.values())


def test_a_traceback_is_kept_in_the_log_and_the_row_has_one_line(tmp_path: Path, spec: str) -> None:
    said: list[str] = []
    run = make(tmp_path, Sample("bad", "raise"), Sample("none", "nothing"))
    synthesize(run, spec, **plan(executor=Local(), say=said.append))
    assert run.syntheses["bad"].error == "ValueError: cannot say <b>this</b>"
    log = (run.path / "log.txt").read_text()
    assert "--- bad\n" in log and "voices.py" in log and "--- none" not in log
    assert said == [
        f"2 of 2 rows failed (speak them again with --retry); what the system printed is in {run.path}/log.txt"
    ]


@pytest.mark.parametrize("word", ["disk", "system-error"])
def test_a_system_that_finds_no_room_stops_the_run(
    tmp_path: Path, spec: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(1, 1, 1000))
    run = make(tmp_path, Sample("a", "hello"), Sample("b", f"{word} full"), Sample("c", "hello"))
    place = "/scratch/their.wav" if word == "disk" else tempfile.gettempdir()
    with pytest.raises(DiskFull, match=f"^{place}: the disk is full; make room and give the same command again"):
        synthesize(run, spec, **plan())
    assert list(run.syntheses) == ["a"]
    monkeypatch.undo()
    monkeypatch.setenv("COUNTER", str(tmp_path / "spoken"))
    if word == "system-error":  # with room on the disk it is the system's own fault
        synthesize(run, spec, **plan())
        assert "System error" in run.syntheses["b"].error and run.syntheses["c"].error == ""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="a small disk takes root to mount")
def test_a_full_disk_harms_no_row_and_the_same_call_goes_on(tmp_path: Path, spec: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)], check=False).returncode:
        pytest.skip("no mounting here")
    try:
        samples = [Sample(f"s{n}", "random noise") for n in range(8)]
        run = Run.create(disk / "run", {"seed": 1}, samples)
        (disk / "ballast").write_bytes(b"x" * 170_000)
        with pytest.raises(DiskFull, match=f"{disk}.*the disk is full"):
            synthesize(run, spec, **plan(executor=Local()))
        before = run.syntheses
        assert len(before) < 8 and not any(row.error for row in before.values())
        assert not list(run.path.rglob("*.part"))
        (disk / "ballast").unlink()
        result = synthesize(run, spec, **plan(executor=Local()))
        assert (result.kept, result.failed, len(run.syntheses)) == (len(before), 0, 8)
        assert all(file_digest(run.path / row.audio) == row.digest for row in run.syntheses.values())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_rows_spoken_under_other_conditions_than_the_first_have_no_timings(tmp_path: Path, spec: str) -> None:
    run = Run.create(tmp_path / "run", {"seed": 1, "jobs": 1, "device": "cpu"}, [Sample("a", "hello")])
    said: list[str] = []
    synthesize(run, spec, **plan(jobs=2, say=said.append))
    assert run.syntheses["a"].total is None and "timings of 1 rows are left out" in said[0]
