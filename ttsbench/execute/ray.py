"""`--ray`: the same tasks on a Ray cluster. Workers need no shared disk; one writer, here, keeps the run folder.

An actor holds one system, or the scoring models, on one device. Files travel with the task and with its answer.
A task whose actor dies is given to another; latency is not measured in spread runs.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench.execute.local import Failed, Setup
from ttsbench.records import Feature, Request, Synthesis
from ttsbench.speaking import Job, speaker
from ttsbench.store import StoreError, write_atomically

TRIES = 3


@dataclass(frozen=True)
class Parcel:
    """A task and the files it names, by the path they have here."""

    task: Any
    files: dict[str, bytes]


def connect(address: str) -> None:
    """Join the cluster at `address`, or start one on this machine for ''. Raises StoreError with what is missing."""
    try:
        import ray
    except ImportError as fault:
        raise StoreError("--ray needs Ray: python -m pip install 'ttsbench[ray]'") from fault
    if not ray.is_initialized():
        ray.init(address=address or None, log_to_driver=False, include_dashboard=False, configure_logging=False)


def actors_at_once(device: str) -> int:
    """How many actors the cluster has room for: one a GPU for cuda, else one a core."""
    import ray

    have = ray.cluster_resources()
    return max(1, int(have.get("GPU" if device.startswith("cuda") else "CPU", 1)))


def run_tasks(
    tasks: Sequence[Any],
    pack: Callable[[Any], Parcel],
    setup: Setup,
    args: tuple[Any, ...],
    *,
    device: str,
    timeout: float,
) -> Iterator[tuple[int, Any]]:
    """As `workers.run_tasks`, on the cluster: yield (index, result or Failed); a dead actor's task is tried again.

    `pack` adds a task's files when it is sent, so that only what is under way lies in memory.
    """
    import ray

    on_gpu = device.startswith("cuda")
    remote: Any = ray.remote(num_cpus=0 if on_gpu else 1, num_gpus=1 if on_gpu else 0, max_restarts=0)(_Actor)
    waiting = deque((index, 1) for index in range(len(tasks)))
    idle = [remote.remote(setup, args) for _ in range(min(actors_at_once(device), len(tasks)))]
    busy: dict[Any, tuple[Any, int, int, float]] = {}  # reference -> actor, index, try, since
    try:
        while waiting or busy:
            while idle and waiting:
                (index, attempt), actor = waiting.popleft(), idle.pop()
                busy[actor.do.remote(pack(tasks[index]))] = (actor, index, attempt, time.monotonic())
            done, _ = ray.wait(list(busy), num_returns=1, timeout=1.0)
            for reference in done:
                actor, index, attempt, _ = busy.pop(reference)
                try:
                    yield index, ray.get(reference)
                    idle.append(actor)
                except ray.exceptions.RayTaskError as fault:
                    idle.append(actor)
                    yield index, Failed(f"{type(fault.cause).__name__}: {fault.cause}")
                except ray.exceptions.RayError as fault:
                    idle.append(remote.remote(setup, args))
                    if attempt < TRIES:
                        waiting.append((index, attempt + 1))
                    else:
                        yield index, Failed(f"its worker died {TRIES} times ({type(fault).__name__})")
            for reference, (actor, index, _, since) in list(busy.items()):
                if time.monotonic() - since > timeout:
                    del busy[reference]
                    ray.kill(actor)
                    idle.append(remote.remote(setup, args))
                    yield index, Failed(f"no result after {timeout:.0f} s, stopped")
    finally:
        for actor in [*idle, *(entry[0] for entry in busy.values())]:
            ray.kill(actor)


class _Actor:
    def __init__(self, setup: Setup, args: tuple[Any, ...]) -> None:
        self.handle = setup(*args)

    def do(self, task: Any) -> Any:
        return self.handle(task)


# --- synthesis ----------------------------------------------------------------------------------------------------


def pack_job(job: Job) -> Parcel:
    """The job with its prompt and truth."""
    return Parcel(job, _files(path for path in (job.sample.prompt, job.sample.truth) if path))


def remote_speaker(spec: str, device: str) -> Callable[[Parcel], tuple[Synthesis, dict[str, bytes]]]:
    """Actor set-up: answers parcels with the row and the files it made, by their path within the run folder."""
    handle = speaker(spec, device)

    def do(parcel: Parcel) -> tuple[Synthesis, dict[str, bytes]]:
        with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
            here = _unpack(parcel.files, Path(place, "in"))
            out = Path(place, "out")
            sample = parcel.task.sample
            sample = replace(sample, prompt=here.get(sample.prompt), truth=here.get(sample.truth))
            row = handle(replace(parcel.task, sample=sample, folder=out))
            made = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            return replace(row, chunks=(), total=None, audible=None), made

    return do


def keep_files(run_folder: Path, made: dict[str, bytes]) -> None:
    """Write what an actor made into the run folder. Raises OSError (disk full)."""
    for name, data in made.items():
        target = run_folder / name
        if not target.resolve().is_relative_to(run_folder.resolve()):
            raise StoreError(f"a worker named a file outside the run folder: {name!r}")
        write_atomically(target, data)


# --- scoring ------------------------------------------------------------------------------------------------------


def pack_batch(batch: tuple[str, Any, list[Request]]) -> Parcel:
    """The batch with its audio."""
    paths = {path for request in batch[2] for path in (request.audio, request.reference) if path}
    return Parcel(batch, _files(paths))


def remote_extracting(device: str) -> Callable[[Parcel], list[Feature]]:
    """Actor set-up: answers parcels with features."""
    from ttsbench.scoring import extracting

    handle = extracting(device)

    def do(parcel: Parcel) -> list[Feature]:
        with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
            here = _unpack(parcel.files, Path(place))
            extractor, settings, requests = parcel.task
            moved = [replace(r, audio=here[r.audio], reference=here.get(r.reference)) for r in requests]
            return handle((extractor, settings, moved))

    return do


def _files(paths: Any) -> dict[str, bytes]:
    return {str(path): Path(path).read_bytes() for path in paths}


def _unpack(files: dict[str, bytes], folder: Path) -> dict[Path | None, Path]:
    """Write the files under safe names; where each of the sender's paths lies here."""
    folder.mkdir(parents=True, exist_ok=True)
    here: dict[Path | None, Path] = {}
    for name, data in files.items():
        target = folder / (hashlib.sha256(name.encode()).hexdigest()[:16] + Path(name).suffix)
        target.write_bytes(data)
        here[Path(name)] = target
    return here
