"""Ranks of the systems of a table: over all utterances, and over one language or category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ttsbench import significance, stats
from ttsbench.records import Cell, Metric
from ttsbench.reports import reasons
from ttsbench.reports.tables import Entry, Table


@dataclass(frozen=True)
class View:
    """One cut of a table ('all', a language, a category): by system and metric cells and rank ranges; failed rows."""

    kind: str
    name: str
    count: int
    cells: dict[str, dict[str, Cell]]
    ranks: dict[str, dict[str, tuple[int, int] | None]]
    failed: dict[str, int]


def ranked(table: Table) -> list[Metric]:
    """The metrics that a leaderboard ranks: those with a better direction and a number somewhere."""
    return [metric for metric in table.measured if metric.better != "neither"]


def whole(table: Table) -> View:
    """The view of every row of a table."""
    cells = {entry.name: entry.cells for entry in table.entries}
    return View("all", "all", len(table.samples), cells, table.ranks, _failed(table, {s.id for s in table.samples}))


def views(table: Table) -> list[View]:
    """The whole table, then its languages and categories where there are several."""
    found = [whole(table)]
    for kind in ("language", "category"):
        names = list(dict.fromkeys(getattr(sample, kind) for sample in table.samples))
        if len(names) > 1:
            for name in filter(None, names):
                ids = {sample.id for sample in table.samples if getattr(sample, kind) == name}
                found.append(_part(table, kind, name, ids))
    return found


def _part(table: Table, kind: str, name: str, ids: set[str]) -> View:
    cells: dict[str, dict[str, Cell]] = {entry.name: {} for entry in table.entries}
    ranks: dict[str, dict[str, tuple[int, int] | None]] = {entry.name: {} for entry in table.entries}
    for metric in [*table.columns, *table.folded]:
        rows = {e.name: [score for score in e.scores[metric.name] if score.sample in ids] for e in table.entries}
        for entry in table.entries:
            cells[entry.name][metric.name] = stats.cell(metric, rows[entry.name], table.clusters)
        systems = [entry.name for entry in table.systems]
        places = significance.ranks(metric, [rows[system] for system in systems], table.clusters)
        for system, place in zip(systems, places, strict=True):
            ranks[system][metric.name] = place
    return View(kind, name, len(ids), cells, ranks, _failed(table, ids))


def _failed(table: Table, ids: set[str]) -> dict[str, int]:
    return {e.name: len({row for row, _, _ in reasons.listed(table, e)} & ids) for e in table.entries}


def order(table: Table, view: View, by: Metric) -> list[Entry]:
    """Ground truth first, then systems by the headline value of `by`, those without one last."""
    sign = 1.0 if by.better == "lower" else -1.0

    def key(entry: Entry) -> tuple[bool, bool, float, str]:
        value = view.cells[entry.name][by.name].value
        return not entry.truth, entry.anchor, float("inf") if value is None else sign * value, entry.name

    return sorted(table.entries, key=key)


def dump(views: Sequence[View]) -> Any:
    """Views as plain data, for --json."""
    return msgspec.to_builtins(list(views))
