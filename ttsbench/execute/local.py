"""Worker processes that may hang or die without taking the run with them. Used by synthesis and by scoring.

A worker is one spawned process in its own process group. It builds a handler once, then answers tasks one at a
time. A task that outlives its deadline, or kills the process, becomes a `Failed`; a new worker takes over.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ttsbench.errors import UserError
from ttsbench.execute import Failed, Setup, Task, WorkerError

LOG = "log.txt"


class Local:
    """The executor of this machine: one process a job."""

    timed = True
    where = ""

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
        """See `execute.Executor`; what workers print goes to log.txt in `folder`. Each device has a worker at least."""
        places = [(*args, each) for each in device.split(",")]
        return run_tasks(tasks, setup, *places, jobs=max(jobs, len(places)), timeout=timeout, log=folder / LOG)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the closed pipe ends it at its next answer."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _serve(link: Connection, log: str, setup: Setup, args: tuple[Any, ...], threads: int = 0) -> None:
    if hasattr(os, "setsid"):  # not on Windows
        os.setsid()
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sink = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(sink, 1)  # banners and warnings of libraries must not mix with our own output
    os.dup2(sink, 2)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS") if threads else ():
        os.environ.setdefault(name, str(threads))
    started = time.perf_counter()
    try:
        handle = setup(*args)
    except BaseException as fault:
        reason = str(fault)
        if not isinstance(fault, UserError):  # what is meant for readers needs no class and no traceback
            traceback.print_exc()
            reason = f"{type(fault).__name__}: {fault}"
        link.send(Failed(reason, fatal=True))
        return
    link.send(time.perf_counter() - started)
    while True:
        try:
            task = link.recv()
        except EOFError:
            return
        try:
            result = handle(task)
        except Exception as fault:
            traceback.print_exc()
            result = Failed(f"{type(fault).__name__}: {fault}")
        sys.stdout.flush()
        try:
            link.send(result)
        except (BrokenPipeError, ConnectionResetError):
            return


class _Worker:
    def __init__(self, setup: Setup, args: tuple[Any, ...], log: Path | None, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.made_with = (setup, args, log, threads)
        self.link, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, str(log or ""), setup, args, threads), daemon=False)
        self.process.start()
        theirs.close()
        self.ready = False
        self.task: int | None = None
        self.since = time.monotonic()

    def give(self, index: int, task: Any) -> None:
        self.task, self.since = index, time.monotonic()
        self.link.send(task)

    def stop(self) -> None:
        """Kill the process and everything it started; on Windows, which has no such groups, the process alone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if (
                hasattr(os, "killpg")
                and self.process.pid is not None
                and os.getpgid(self.process.pid) == self.process.pid
            ):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.link.close()


def run_tasks(
    tasks: Sequence[Any],
    setup: Setup,
    *places: tuple[Any, ...],
    jobs: int = 1,
    timeout: float = 600.0,
    load_timeout: float = 900.0,
    log: Path | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Yield (index of task, result or Failed) as results come, from `jobs` processes.

    `setup(*args)` runs once in each process and returns the handler; both must be importable by name. `places` are
    the args, taken in turn where processes differ by their device. Several processes
    share the cores: OMP_NUM_THREADS is set for each, unless the caller's environment has it. Raises
    WorkerError when a process cannot be set up, with nothing lost of what was yielded before.
    """
    waiting = list(range(len(tasks)))[::-1]
    jobs = min(jobs, len(tasks))
    threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else 0  # more would wait for each other
    turns = places or ((),)
    workers = [_Worker(setup, turns[number % len(turns)], log, threads) for number in range(jobs)]
    try:
        while waiting or any(worker.task is not None for worker in workers):
            for worker in workers:
                if worker.ready and worker.task is None and waiting:
                    index = waiting.pop()
                    worker.give(index, tasks[index])
            busy = [worker for worker in workers if worker.task is not None or not worker.ready]
            for link in wait([worker.link for worker in busy], timeout=_patience(busy, timeout, load_timeout)):
                worker = next(worker for worker in busy if worker.link is link)
                outcome = _receive(worker)
                if not worker.ready:
                    if isinstance(outcome, Failed):
                        raise WorkerError(outcome.reason)
                    worker.ready = True
                    continue
                done, worker.task = worker.task, None
                assert done is not None
                if isinstance(outcome, Failed) and outcome.fatal:
                    _replace(workers, worker)
                    outcome = Failed(outcome.reason)
                yield done, outcome
            for worker in [w for w in workers if w.task is not None or not w.ready]:
                limit = timeout if worker.ready else load_timeout
                if time.monotonic() - worker.since <= limit or worker.link.poll():
                    continue
                if not worker.ready:
                    raise WorkerError(f"not ready after {limit:.0f} s")
                late = worker.task
                assert late is not None
                _replace(workers, worker)
                yield late, Failed(f"no result after {limit:.0f} s, stopped")
    finally:
        for worker in workers:
            worker.stop()


def _patience(busy: list[_Worker], timeout: float, load_timeout: float) -> float:
    ends = [worker.since + (timeout if worker.ready else load_timeout) for worker in busy]
    return max(0.01, min(ends, default=0.0) - time.monotonic())


def _receive(worker: _Worker) -> Any:
    try:
        return worker.link.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(5)
        code = worker.process.exitcode
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return Failed(f"the process died ({name})", fatal=True)


def _replace(workers: list[_Worker], worker: _Worker) -> None:
    worker.stop()
    workers[workers.index(worker)] = _Worker(*worker.made_with)
