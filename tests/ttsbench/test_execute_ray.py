"""A real Ray cluster on this machine: several workers, one killed in the middle, nothing lost or doubled."""

import os
import signal
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ttsbench.execute.ray import Cluster, keep_files, pack, remote
from ttsbench.features import Batch
from ttsbench.records import Request, Sample
from ttsbench.speaking import Job, synthesize
from ttsbench.store import Run, StoreError

SYSTEM = """
import os, pathlib, time
import numpy as np
from ttsbench import audio
from ttsbench.execute.ray import Cluster, keep_files, pack, remote
from ttsbench.records import Card

class Voice:
    card = Card("voice", sample_rate=16000)

    def synthesize(self, sample, seed):
        pathlib.Path({folder!r}, str(os.getpid())).write_text(sample.id)
        prompt = audio.read_at(sample.prompt, 16000)
        time.sleep(0.4)
        if sample.text == "raise":
            raise ValueError("not this one")
        yield prompt[: 160 * len(sample.text)]
"""


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    seen = tmp_path / "seen"
    seen.mkdir()
    (tmp_path / "voice.py").write_text(textwrap.dedent(SYSTEM.format(folder=str(seen))))
    shared = Path(__file__).resolve().parents[2] / "testsets"
    prompt = next(iter(sorted(shared.rglob("*.opus"))), None)
    if prompt is None:
        import numpy as np
        import soundfile

        prompt = tmp_path / "prompt.wav"
        soundfile.write(prompt, 0.3 * np.sin(np.arange(48000) / 10), 16000)
    samples = [Sample(f"s{number}", "x" * (30 + number), prompt=prompt) for number in range(12)]
    samples.append(Sample("bad", "raise", prompt=prompt))
    run = Run.create(tmp_path / "run", {"seed": 0}, samples)
    ray.init(num_cpus=3, log_to_driver=False, include_dashboard=False)
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.time() + 60
        while not killed and time.time() < deadline:
            for path in seen.iterdir():
                killed.append(int(path.name))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        spoken = synthesize(
            run,
            f"python:{tmp_path / 'voice.py'}:Voice",
            jobs=1,
            timeout=60.0,
            device="cpu",
            retry=False,
            progress=lambda done, total, what: None,
            executor=Cluster(),
        )
    finally:
        killer.join()
        ray.shutdown()
    assert killed and spoken.failed == 1
    rows = run.syntheses
    lines = (run.path / "synth.jsonl").read_text().splitlines()
    assert len(lines) == len(samples) and set(rows) == {sample.id for sample in samples}
    assert "not this one" in rows["bad"].error
    for sample in samples[:-1]:
        row = rows[sample.id]
        assert row.error == "" and row.total is None and not row.chunks  # timings of spread runs mean nothing
        path = run.audio(row)
        assert path is not None and path.exists() and row.seconds == pytest.approx(0.01 * len(sample.text))


@pytest.mark.parametrize("name", ["../outside", "audio/../../outside", "/outside"])
def test_a_worker_cannot_write_outside_the_run_folder(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(StoreError, match="outside the run folder"):
        keep_files(run, {name: b"x"})
    assert not (tmp_path / "outside").exists() and not Path("/outside").exists()
    keep_files(run, {"audio/a.flac": b"x"})
    assert (run / "audio" / "a.flac").read_bytes() == b"x"


def reading() -> Callable[[Any], str]:
    """A handler that reads the files its task names and writes one below the task's folder."""

    def handle(task: Any) -> str:
        if isinstance(task, Job):
            task.folder.joinpath("made").write_bytes(b"made")
        return " ".join(path.read_text() for path in task.files())

    return handle


def test_files_travel_with_a_task_and_back(tmp_path: Path) -> None:
    prompt, truth = tmp_path / "p.wav", tmp_path / "t.wav"
    prompt.write_text("prompt")
    truth.write_text("truth")
    do = remote(reading, ())
    job = pack(Job(Sample("a", "x", prompt=prompt, truth=truth), 0, tmp_path, "a"))
    requests = [Request("e", prompt, reference=truth), Request("e", prompt)]
    batch = pack(Batch("e", (), requests))
    prompt.unlink()  # the other machine does not have them
    truth.unlink()
    assert do(job) == ("prompt truth", {"made": b"made"})
    assert do(batch) == ("prompt truth", {})
