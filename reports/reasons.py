"""Why a table lacks numbers: speech that is missing, metrics that failed, and what does not apply to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ttsbench import stats
from ttsbench.records import Metric
from ttsbench.reports.tables import Entry, Table, plain
from ttsbench.store import file_digest

SHOWN = 3  # reasons of one failure that are printed
STOPPED = " rows in a row failed alike"  # what the rows say that a stopped system was not asked for


@dataclass(frozen=True)
class Failed:
    """`failed` of `asked` rows of a system gave no speech (`what` is 'speech'), or no value of the metrics `what`."""

    system: str
    what: str
    failed: int
    asked: int
    reasons: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        lack = "gave no usable speech for" if self.what == "speech" else f": {self.what} failed on"
        return f"{self.system}{'' if lack[0] == ':' else ' '}{lack} {self.failed} of {self.asked} rows: {self.why}"

    @property
    def why(self) -> str:
        return reasons_text(self.reasons)


def reasons_text(found: Iterable[tuple[str, int]]) -> str:
    """'out of memory (5), no audio (2), and 3 more reasons'; control characters are replaced.

    Beside the reason that a system was stopped for, its rows that were not tried do not say it again.
    """
    found = list(found)
    if len(found) > 1:
        parted = [(*reason.partition(STOPPED)[:2], count) for reason, count in found]
        found = [(head + mark, count) for head, mark, count in parted]
    parts = [f"{plain(reason)} ({count})" for reason, count in found[:SHOWN]]
    more = len(found) - SHOWN
    return ", ".join(parts) + (f", and {more} more reason{'s' if more > 1 else ''}" if more > 0 else "")


def failed(table: Table) -> list[Failed]:
    """Missing speech of every system, then the metrics that failed on rows that do have speech."""
    found = []
    for entry in table.entries:
        missing = {key: row.error for key, row in entry.syntheses.items() if row.error}
        if missing:
            found.append(Failed(entry.name, "speech", len(missing), len(table.samples), stats.tally(missing.values())))
        same: dict[tuple[int, int, tuple[tuple[str, int], ...]], list[str]] = {}
        for metric in table.metrics:
            errors = [score.error for score in entry.scores[metric.name] if score.error and score.sample not in missing]
            if errors:
                key = len(errors), entry.cells[metric.name].asked, stats.tally(errors)
                same.setdefault(key, []).append(metric.title)
        found += [Failed(entry.name, ", ".join(titles), *key) for key, titles in same.items()]
    return found


def not_applicable(table: Table) -> list[tuple[str, str, str]]:
    """(metric titles, systems, reason) wherever rows were not asked; systems is empty where it is so for all."""
    systems: dict[tuple[str, str], list[str]] = {}
    for metric in table.metrics:
        for entry in table.entries:
            for reason in dict.fromkeys(score.na for score in entry.scores[metric.name] if score.na):
                systems.setdefault((metric.title, reason), []).append(entry.name)
    titles: dict[tuple[str, str], list[str]] = {}
    for (title, reason), names in systems.items():
        who = "" if len(names) == len(table.entries) else ", ".join(names)
        titles.setdefault((who, reason), []).append(title)
    every = len(table.metrics)
    return [("Every metric" if len(t) == every > 1 else ", ".join(t), who, why) for (who, why), t in titles.items()]


def busy(table: Table) -> list[tuple[str, str]]:
    """(system, what is to be said) of those that were timed while other programs used the machine."""
    found = []
    for entry in table.entries:
        marked = {s.sample: s.detail.get("others", 0.0) for rows in entry.scores.values() for s in rows if s.busy}
        if marked:
            least, most = (f"{100 * share:.0f}" for share in (min(marked.values()), max(marked.values())))
            span = least if least == most else f"{least} to {most}"
            rows = f"{len(marked)} of {len(table.samples)} rows"
            said = f"{rows} were timed while other programs used {span} % of the machine: not ranked, drawn or compared"
            found.append((entry.name, said))
    return found


def copies(entry: Entry) -> list[str]:
    """Ids of the rows whose output is, byte for byte, the recording that it should be compared with."""
    if entry.truth:
        return []
    spoken, found = entry.syntheses, []
    for sample in entry.samples:
        row = spoken.get(sample.id)
        if row and row.digest and sample.truth and row.digest == _digest(sample.truth):
            found.append(sample.id)
    return found


@lru_cache(maxsize=100_000)
def _digest(path: Path) -> str:
    return file_digest(path) if path.is_file() else ""


def listed(table: Table, entry: Entry) -> list[tuple[str, str, str]]:
    """(sample, stage, error) of every row that has no speech, or no measurement although one was asked for."""
    silent = {key: row.error for key, row in entry.syntheses.items() if row.error}
    rows = [(key, "speech", error) for key, error in silent.items()]
    titles: dict[str, Metric] = {metric.name: metric for metric in table.metrics}
    for name, scores in entry.scores.items():
        rows += [(s.sample, titles[name].title, s.error) for s in scores if s.error and s.sample not in silent]
    return rows


def failed_share(table: Table, entry: Entry) -> float:
    """The share of the rows a system was asked for that have no speech, or no value of some metric."""
    asked = {score.sample for scores in entry.scores.values() for score in scores if not score.na}
    lost = {sample for sample, _, _ in listed(table, entry)}
    return len(lost) / max(1, len(asked | lost))
