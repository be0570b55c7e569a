"""Ratings beside the scores of the same clips: one `Comparison` a test set and protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttsbench import names, stats
from ttsbench.records import Metric
from ttsbench.reports.agreement.measure import Agreement, Clips, over_clips, over_systems
from ttsbench.reports.agreement.panel import Panel
from ttsbench.reports.tables import TRUTH, Entry, ReportError, Table


@dataclass(frozen=True)
class Spot:
    """A system or a clip on a scatter plot: its metric as kept (rates as fractions) and its mean rating."""

    system: str
    sample: str
    metric: float
    rating: float


@dataclass(frozen=True)
class Row:
    """One metric: its agreement over systems and over utterances, and what the plots show."""

    metric: Metric
    systems: Agreement
    clips: Agreement
    system_spots: list[Spot]
    clip_spots: list[Spot]


@dataclass(frozen=True)
class Comparison:
    """All metrics of a table, in its order; `missing` are rated systems that none of the runs is."""

    table: Table
    panel: Panel
    rows: list[Row]
    systems: list[str]
    sentences: int
    missing: list[str]


def compare(panel: Panel, tables: Sequence[Table], seed: int = 0) -> list[Comparison]:
    """Every table that holds rated clips. Raises ReportError where none does, with the names on both sides."""
    found = [each for each in (_comparison(panel, table, seed) for table in tables) if each.rows]
    if not found:
        rated = ", ".join(sorted({system for system, _ in panel.clips}))
        have = ", ".join(sorted({entry.name for table in tables for entry in table.entries}))
        raise ReportError(f"no rated clip is among the runs: rated are {rated}; the runs are {have}")
    return found


def _comparison(panel: Panel, table: Table, seed: int) -> Comparison:
    entries = _entries(table)
    known = np.array([system in entries and sample in entries[system].syntheses for system, sample in panel.clips])
    rows = [_row(panel, metric, entries, seed) for metric in table.measured + _folded(table) if known.any()]
    rated = {system for (system, _), here in zip(panel.clips, known, strict=True) if here}
    sentences = {names.parted(sample)[0] for (_, sample), here in zip(panel.clips, known, strict=True) if here}
    missing = sorted({system for system, _ in panel.clips} - rated)
    kept = [row for row in rows if row is not None]
    return Comparison(table, panel, kept, sorted(rated), len(sentences), missing)


def _folded(table: Table) -> list[Metric]:
    return [m for m in table.folded if any(entry.cells[m.name].value is not None for entry in table.entries)]


def _entries(table: Table) -> dict[str, Entry]:
    """Entries under every name that a key may have for them."""
    found: dict[str, Entry] = {}
    for entry in table.entries:
        for name in (entry.name, entry.run.path.name, TRUTH if entry.truth else entry.name):
            found.setdefault(name, entry)
    return found


def _row(panel: Panel, metric: Metric, entries: dict[str, Entry], seed: int) -> Row | None:
    """None where the metric has no better direction, is about speed or cost, or has fewer than two rated clips."""
    if metric.better == "neither" or metric.family in ("speed", "cost"):
        return None
    scores = {
        name: {score.sample: score for score in entry.scores[metric.name] if stats.usable(score)}
        for name, entry in entries.items()
    }
    found = [scores.get(system, {}).get(sample) for system, sample in panel.clips]
    kept = np.array([score is not None and score.value is not None for score in found])
    if kept.sum() < 2:
        return None
    used = [score for score in found if score is not None and score.value is not None]
    clips = [clip for clip, here in zip(panel.clips, kept, strict=True) if here]
    whole = Clips(panel.ratings, *_numbers(panel)).only(kept)
    values = np.array([score.value for score in used], dtype=float)
    weights = np.array([score.weight if metric.shown == "corpus" else 1.0 for score in used], dtype=float)
    sign = 1.0 if metric.better == "higher" else -1.0
    systems, utterances = over_systems(whole, sign * values, weights, seed), over_clips(whole, sign * values, seed)
    heard = np.nanmean(whole.ratings, axis=0)
    spots = [Spot(*clip, value, rating) for clip, value, rating in zip(clips, values, heard, strict=True)]
    return Row(metric, systems, utterances, _means(spots, weights), spots)


def _numbers(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """System and sentence of each clip, as numbers from 0."""
    systems = np.unique([system for system, _ in panel.clips], return_inverse=True)[1]
    return systems, np.unique([names.parted(sample)[0] for _, sample in panel.clips], return_inverse=True)[1]


def _means(spots: Sequence[Spot], weights: np.ndarray) -> list[Spot]:
    """One spot a system, the best rated first: mean rating, and the metric over the rated clips."""
    found = []
    for name in dict.fromkeys(spot.system for spot in spots):
        own = [(spot, weight) for spot, weight in zip(spots, weights, strict=True) if spot.system == name]
        total = sum(weight for _, weight in own)
        metric = sum(spot.metric * weight for spot, weight in own) / total if total else float("nan")
        found.append(Spot(name, "", metric, float(np.mean([spot.rating for spot, _ in own]))))
    return sorted(found, key=lambda spot: -spot.rating)
