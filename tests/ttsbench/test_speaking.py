"""Synthesis: the harness times, seeds, stores; whatever a system does wrong is one row's error."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import audio
from ttsbench.execute.local import WorkerError
from ttsbench.records import Sample, Synthesis
from ttsbench.speaking import seed_for, synthesize
from ttsbench.store import Run, append

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
            raise ValueError("cannot say <b>this</b>")
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


def speak(run: Run, spec: str, timeout: float = 30.0, retry: bool = False, jobs: int = 1) -> dict[str, Synthesis]:
    assert not synthesize(run, spec, jobs=jobs, timeout=timeout, device="cpu", retry=retry, progress=quiet)
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


def test_recordings_are_taken_checked_and_taken_again_when_they_change(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    tone = 0.3 * np.sin(np.arange(16000) / 10)
    soundfile.write(folder / "good.wav", tone, 16000)
    soundfile.write(folder / "stereo.wav", np.stack([tone, tone], 1), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "nan.wav", np.where(np.arange(16000) == 5, np.nan, tone), 16000, subtype="FLOAT")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "broken.wav").write_bytes(b"RIFF____WAVE")
    names = ["good", "stereo", "silent", "nan", "empty", "broken", "missing"]
    run = make(tmp_path, *(Sample(name, "hello") for name in names))
    rows = speak(run, f"recorded:{folder}")
    assert rows["good"].error == "" and rows["good"].total is None
    assert rows["stereo"].error == "" and "2 channels" in rows["stereo"].note and "8000 Hz" in rows["stereo"].note
    for name, word in [("silent", "silent"), ("nan", "NaN"), ("empty", "0 bytes"), ("broken", "not readable")]:
        assert word in rows[name].error, rows[name]
    assert "no output" in rows["missing"].error
    soundfile.write(folder / "good.wav", 0.5 * tone, 16000)
    assert speak(run, f"recorded:{folder}")["good"].digest != rows["good"].digest
