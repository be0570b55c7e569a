"""What came of speaking or collecting the rows of a run, and how it is said."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace

from ttsbench.execute.local import LOG
from ttsbench.records import Sample
from ttsbench.store import Run

Progress = Callable[[int, int, str], None]
Say = Callable[[str], None]
SAME_FAILURES = 5  # in a row, after which a system is stopped


def unheard(text: str) -> None:
    """For callers that show nothing."""


@dataclass(frozen=True)
class Spoken:
    """What came of speaking a run: rows in all, kept from before, failed; `when` the kept ones were begun.

    `stopped`: why the system was stopped before its last row, or "".
    """

    total: int
    kept: int
    failed: int
    when: str = ""
    stopped: str = ""

    @property
    def kept_note(self) -> str:
        """Such as "72 of 72 rows kept, made 2026-11-27 09:38"; "" for a new run."""
        made = f", made {self.when}" if self.when else ""
        return f"{self.kept} of {self.total} rows kept{made}" if self.kept else ""


def begun(run: Run) -> str:
    """When the run was begun, local time; "" where run.json does not say."""
    started = run.info.get("started", "")
    return f"{datetime.datetime.fromisoformat(started).astimezone():%Y-%m-%d %H:%M}" if started else ""


def told(run: Run, result: Spoken, say: Say) -> Spoken:
    """The result with its failures counted, and said."""
    result = replace(result, failed=sum(bool(row.error) for row in run.syntheses.values()))
    if result.failed:
        log = run.path / LOG
        where = f"; what the system printed is in {log}" if log.is_file() and log.stat().st_size else ""
        say(f"{result.failed} of {result.total} rows failed (speak them again with --retry){where}")
    if result.stopped:
        say(result.stopped)
    return result


class Patience:
    """Counts equal failures in a row for each language: a system that lacks one still speaks the others.

    Failures that differ in the row's id or text alone are equal.
    """

    def __init__(self) -> None:
        self.last: dict[str, tuple[str, str, int]] = {}
        self.stopped: dict[str, str] = {}

    def ended(self, error: str, sample: Sample) -> bool:
        """Whether this row was one equal failure too many."""
        masked = error.replace(sample.text or sample.id, "<text>").replace(sample.id, "<id>")
        before, before_masked, count = self.last.get(sample.language, ("", "", 0))
        count = (count + 1 if error == before or masked == before_masked else 1) if error else 0
        self.last[sample.language] = (error, masked, count)
        if count < SAME_FAILURES:
            return False
        self.stopped[sample.language] = f"not tried, as {SAME_FAILURES} rows in a row failed alike: {error}"
        return True
