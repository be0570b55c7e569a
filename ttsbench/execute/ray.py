"""`--ray`: the same tasks on a Ray cluster. Workers need no shared disk; one writer, here, keeps the run folder.

An actor holds one system, or the scoring models, on one device. Files travel with the task and with its answer.
A task whose actor dies is given to another; latency is not measured in spread runs.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.execute import Failed, Setup, Task
from ttsbench.store import StoreError, write_atomically

TRIES = 3


@dataclass(frozen=True)
class TaskWithFiles:
    """A task and the files it names, by the path they have here."""

    task: Task
    files: dict[Path, bytes]


class Cluster:
    """The executor of a Ray cluster: at `address`, or one started on this machine for ''."""

    timed = False

    def __init__(self, address: str = "") -> None:
        self.address = address
        self.where = f"Ray cluster {address or 'on this machine'}"

    def run(
        self,
        tasks: Sequence[Task],
        setup: Setup,
        args: tuple[Any, ...],
        *,
        jobs: int,
        timeout: float,
        device: str,
        folder: Path,
    ) -> Generator[tuple[int, Any], None, None]:
        """See `execute.Executor`; the cluster's size sets the number of workers, not `jobs`."""
        if not tasks:
            return
        connect(self.address)
        kind = device.partition(":")[0]  # an actor sees one device, which is its first
        for index, outcome in run_tasks(tasks, pack, remote, (setup, (*args, kind)), device=kind, timeout=timeout):
            if not isinstance(outcome, Failed):
                outcome, made = outcome
                keep_files(folder, made)
            yield index, outcome


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
    pack: Callable[[Any], TaskWithFiles],
    setup: Setup,
    args: tuple[Any, ...],
    *,
    device: str,
    timeout: float,
) -> Generator[tuple[int, Any], None, None]:
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


def pack(task: Task) -> TaskWithFiles:
    """The task with its files. One that cannot be read is left out: the handler meets the same fault and names it."""
    files = {}
    for path in task.files():
        try:
            files[path] = path.read_bytes()
        except OSError:
            continue
    return TaskWithFiles(task, files)


def remote(setup: Setup, args: tuple[Any, ...]) -> Callable[[TaskWithFiles], tuple[Any, dict[str, bytes]]]:
    """Actor set-up: answers a packed task with the result and the files it made, by path within the task's folder."""
    handle = setup(*args)

    def do(packed: TaskWithFiles) -> tuple[Any, dict[str, bytes]]:
        with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
            here, out = _unpack(packed.files, Path(place, "in")), Path(place, "out")
            out.mkdir()
            result = handle(packed.task.moved(here, out))
            made = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            return result, made

    return do


def keep_files(folder: Path, made: Mapping[str, bytes]) -> None:
    """Write what an actor made below `folder`. Raises OSError (disk full), StoreError for a path out of it."""
    for name, data in made.items():
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise StoreError(f"a worker named a file outside the run folder: {name!r}")
        write_atomically(target, data)


def _unpack(files: Mapping[Path, bytes], folder: Path) -> dict[Path, Path]:
    """Write the files under safe names; where each of the sender's paths lies here."""
    folder.mkdir(parents=True, exist_ok=True)
    here = {}
    for path, data in files.items():
        target = folder / (hashlib.sha256(str(path).encode()).hexdigest()[:16] + path.suffix)
        target.write_bytes(data)
        here[path] = target
    return here
