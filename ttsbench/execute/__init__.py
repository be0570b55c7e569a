"""Where work is done: worker processes on this machine, a Ray cluster, or shards run apart and merged.

Speaking and scoring are given an `Executor`; this package knows neither of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ttsbench.errors import UserError

Handler = Callable[[Any], Any]
Setup = Callable[..., Handler]


@dataclass(frozen=True)
class Failed:
    """Why a task has no result. `fatal`: the worker could not even be set up."""

    reason: str
    fatal: bool = False


class WorkerError(UserError):
    """No worker could be set up; the message is the worker's own."""


class Task(Protocol):
    """One piece of work. Where a worker shares no disk with us, its files travel with it."""

    def files(self) -> list[Path]:
        """The files that it reads."""
        ...

    def moved(self, here: Mapping[Path, Path], folder: Path) -> Task:
        """The same task over the files `here[path]`, writing below `folder` in place of its own folder."""
        ...


class Executor(Protocol):
    """`timed`: whether times taken by its workers are this machine's. `where`: what run.json says of it."""

    timed: bool
    where: str

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
        """Yield (index of task, result or Failed) as results come; when it is closed the workers end.

        `setup(*args, device)` runs once in each worker and returns the handler of tasks; both must be importable by
        name. `device`: one, or several with commas between, over which the workers are spread. What a handler writes
        below its task's folder lies below `folder` when its result is yielded. Raises WorkerError where no worker can
        be set up, OSError where a result cannot be written here (a full disk).
        """
        ...
