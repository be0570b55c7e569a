"""Positions of dots, bars and ticks in per cent of a track; the templates draw them as small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttsbench.records import Cell, Metric
from ttsbench.reports.tables import Entry
from ttsbench.reports.values import heading, interval, number, scale


@dataclass(frozen=True)
class Track:
    """One system's line: centre, interval ends and zero line in per cent; None where there is nothing to draw."""

    label: str
    text: str
    note: str
    x: float | None
    low: float | None
    high: float | None
    truth: bool


@dataclass(frozen=True)
class Chart:
    """A metric's chart: one track a system over a common axis; `ticks` are (position in per cent, label)."""

    title: str
    tracks: list[Track]
    ticks: list[tuple[float, str]]
    zero: float
    truth: float | None


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `count` steps."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from at most `low` to at least `high`, both positive."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def chart(
    metric: Metric,
    rows: Sequence[tuple[str, Cell, bool]],
    title: str = "",
    bars: bool = False,
    limits: tuple[float | None, float | None] = (None, None),
) -> Chart:
    """A chart of (label, cell, is truth) rows; `bars` begin at zero, or at the lower of `limits`, as printed."""
    ends = [v * scale(metric) for _, cell, _ in rows for v in (cell.value, cell.low, cell.high) if v is not None]
    ends += [limit for limit in limits if limit is not None]
    if bars and limits[0] is None:
        ends.append(0.0)
    marks = ticks(min(ends), max(ends)) if ends else [0.0, 1.0]
    left, right = marks[0], marks[-1]

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * (value * scale(metric) - left) / (right - left), 2)

    tracks = [
        Track(
            label,
            number(metric, cell.value) if cell.value is not None else "n/a" if cell.na else "failed",
            interval(metric, cell.low, cell.high),
            place(cell.value), place(cell.low), place(cell.high), truth,
        )
        for label, cell, truth in rows
    ]  # fmt: skip
    labels = [(round(100 * (mark - left) / (right - left), 2), f"{mark:g}".replace("-", "−")) for mark in marks]
    zero = max(0.0, min(100.0, 100 * (0 - left) / (right - left)))
    truth_at = next((track.x for track in tracks if track.truth), None)
    return Chart(title or heading(metric), tracks, labels, round(zero, 2), truth_at)


def of_metric(metric: Metric, entries: Sequence[Entry]) -> Chart:
    """The chart of one metric over the systems of a table."""
    return chart(metric, [(entry.name, entry.cells[metric.name], entry.truth) for entry in entries])


@dataclass(frozen=True)
class Point:
    label: str
    x: float
    y: float
    front: bool
    title: str


@dataclass(frozen=True)
class Scatter:
    """Quality against speed; `front` joins the points that no other beats on both (per cent, y from the top)."""

    x_title: str
    y_title: str
    points: list[Point]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    front: list[tuple[float, float]]


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other point beats; both coordinates: smaller is better."""
    return [
        not any((a <= x and b <= y) and (a < x or b < y) for a, b in points)  # at least as good, somewhere better
        for x, y in points
    ]


def scatter(x: Metric, y: Metric, entries: Sequence[Entry]) -> Scatter | None:
    """`y` against `x` for the systems that have both; None where fewer than two have."""
    rows = []
    for entry in entries:
        a, b = entry.cells[x.name].value, entry.cells[y.name].value
        if a is not None and b is not None and not entry.truth and not entry.anchor:
            rows.append((entry.name, a, b))
    if len(rows) < 2:
        return None
    signs = [1.0 if metric.better == "lower" else -1.0 for metric in (x, y)]
    fronts = pareto([(a * signs[0], b * signs[1]) for _, a, b in rows])
    spread = [a * scale(x) for _, a, _ in rows]
    logarithmic = min(spread) > 0 and max(spread) / min(spread) > 20
    x_marks = decades(min(spread), max(spread)) if logarithmic else ticks(min(spread), max(spread))
    y_marks = ticks(min(b for _, _, b in rows) * scale(y), max(b for _, _, b in rows) * scale(y))

    def across(value: float) -> float:
        here, left, right = (math.log(v) if logarithmic else v for v in (value, x_marks[0], x_marks[-1]))
        return round(100 * (here - left) / (right - left), 2)

    def down(value: float) -> float:
        return round(100 - 100 * (value - y_marks[0]) / (y_marks[-1] - y_marks[0]), 2)

    points = [
        Point(name, across(a * scale(x)), down(b * scale(y)), front, f"{name}: {number(x, a)}, {number(y, b)}")
        for (name, a, b), front in zip(rows, fronts, strict=True)
    ]
    line = sorted((point.x, point.y) for point in points if point.front)
    return Scatter(
        heading(x) + (", logarithmic" if logarithmic else ""), heading(y), points,
        [(across(mark), f"{mark:g}") for mark in x_marks], [(down(mark), f"{mark:g}") for mark in y_marks], line,
    )  # fmt: skip
