"""What one run said at one moment, small enough to keep for every commit: a line of JSON a point."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.records import Metric
from ttsbench.reports.tables import find, tables
from ttsbench.store import append, read_lines


@dataclass(frozen=True)
class Figure:
    """One metric at that moment, with its 95 % interval; `metric` without its long texts."""

    metric: Metric
    value: float | None
    low: float | None
    high: float | None
    failed: int
    asked: int


@dataclass(frozen=True)
class Point:
    """One system on one test set under one protocol. `when` is ISO 8601; `run` is where the run folder was."""

    when: str
    commit: str
    system: str
    version: str
    testset: str
    digest: str
    protocol: str
    protocol_version: int
    machine: str
    run: str
    figures: tuple[Figure, ...]

    @property
    def series(self) -> tuple[str, str, str, str, int]:
        """Points with this in common are joined; another digest is another test set."""
        return self.system, self.testset, self.digest, self.protocol, self.protocol_version

    @property
    def key(self) -> tuple[object, ...]:
        """Two points with the same key are the same measurement."""
        return *self.series, self.when, self.commit


def of_runs(paths: Sequence[Path | str], commit: str = "", when: str = "") -> list[Point]:
    """A point for every run, test set and protocol. `commit`, `when`: instead of what the run folder says.

    Raises ReportError where there is no scored run.
    """
    return [
        Point(
            when=when or str(entry.run.info.get("started", "")),
            commit=commit or str((entry.run.info.get("code") or {}).get("commit") or ""),
            system=entry.name,
            version=str(entry.card.get("version") or ""),
            testset=table.testset["name"],
            digest=table.testset["digest"],
            protocol=table.protocol["name"],
            protocol_version=int(table.protocol["version"]),
            machine=_machine(entry.run.info.get("machine") or {}),
            run="" if commit else str(entry.run.path),
            figures=tuple(
                Figure(replace(m, about="", citation=""), c.value, c.low, c.high, c.failed, c.asked)
                for m in table.metrics
                if (c := entry.cells[m.name]).value is not None or c.failed
            ),
        )
        for table in tables(find(paths))
        for entry in table.entries
    ]


def of_commits(path: Path) -> list[Point]:
    """Points of run folders that git keeps at `path`, one for each commit that changed them, the oldest first.

    Raises UserError where `path` lies in no repository, or no commit holds scored runs there.
    """
    top = Path(_git(path, "rev-parse", "--show-toplevel").strip())
    inside = path.resolve().relative_to(top.resolve()).as_posix()
    found: list[Point] = []
    for line in reversed(_git(path, "log", "--format=%H %cI", "--", str(path.resolve())).splitlines()):
        commit, when = line.split()
        packed = subprocess.run(["git", "-C", str(top), "archive", commit, inside], capture_output=True)
        if packed.returncode:  # the commit that took the folder away
            continue
        with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
            try:
                found += of_runs([Path(folder) / inside], commit, when)
            except UserError:  # scores of a form that this version does not read
                continue
    if not found:
        raise UserError(f"no commit holds scored runs at {path}")
    return found


def kept(path: Path) -> list[Point]:
    """The points of a history file, as they were added; none where it does not exist. Raises StoreError."""
    return list(read_lines(path, Point))


def add(points: Iterable[Point], path: Path) -> int:
    """Append those that the history file lacks; how many."""
    known = {point.key for point in kept(path)}
    new = [point for point in points if point.key not in known]
    for point in new:
        append(path, point)
    return len(new)


def _machine(info: dict[str, object]) -> str:
    return f"{info['processor']}, {info['cores']} cores" if "processor" in info and "cores" in info else ""


def _git(path: Path, *words: str) -> str:
    folder = path if path.is_dir() else path.parent
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
    except OSError as fault:
        raise UserError(f"--commits needs git: {fault}") from fault
    if done.returncode:
        raise UserError(f"--commits {path}: {done.stderr.strip() or 'git failed'}")
    return done.stdout
