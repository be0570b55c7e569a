"""Positions of dots, bars and ticks in per cent of a track; the templates draw them as small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ttsbench.records import Cell, Metric
from ttsbench.reports.tables import Entry
from ttsbench.reports.values import heading, interval, number, scale, value_text


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


NARROW = 170.0  # px that any chart has from its left end to its right end, at a window of 320 px
HIGH = 340.0  # px of a scatter plot, as in style.css
LARGEST = 1e150  # what lies beyond is drawn at the edge


@dataclass(frozen=True)
class Axis:
    """Marks from the left end of an axis to its right end, ascending and finite; places values between them."""

    marks: list[float]
    logarithmic: bool = False

    def place(self, value: float | None) -> float | None:
        """Per cent from the left end, 0 to 100; None for a value that is missing or not finite."""
        if value is None or not math.isfinite(value):
            return None
        value = max(self.marks[0], min(self.marks[-1], value))
        here, left, right = map(math.log10 if self.logarithmic else float, (value, self.marks[0], self.marks[-1]))
        return round(100 * (here - left) / (right - left), 2)

    def _texts(self) -> list[str]:
        """The marks as text; on a linear axis of plain numbers all have as many digits behind the point."""
        short = [f"{mark:g}" for mark in self.marks]
        if self.logarithmic or any("e" in text for text in short):
            return short
        digits = max(len(text.partition(".")[2]) for text in short)
        return [f"{mark:.{digits}f}" for mark in self.marks]

    def labels(self, across: bool = False) -> list[tuple[float, str]]:
        """(position in per cent, text) of every mark; `across`: without text where NARROW has no room for it."""
        texts = zip(self.marks, self._texts(), strict=True)
        found = [(self.place(mark) or 0.0, text.replace("-", "−")) for mark, text in texts]
        if not across:
            return found
        wide = 6.5 * max(len(text) for _, text in found)
        room = [(at - found[0][0]) * NARROW / 100 for at, _ in found]
        step = next((n for n in range(1, len(found)) if room[n] >= 1.5 * wide + 5), len(found))
        return [(at, "" if number % step else text) for number, (at, text) in enumerate(found)]


def axis(values: Iterable[float | None], logarithmic: bool = False) -> Axis:
    """An axis that holds every finite value; from 0 to 1 where there is none."""
    found = finite(values)
    if not found:
        return Axis([0.0, 1.0])
    low, high = min(found), max(found)
    return Axis(decades(low, high) if logarithmic else ticks(low, high), logarithmic)


def finite(values: Iterable[float | None]) -> list[float]:
    """The values that can be drawn."""
    return [value for value in values if value is not None and math.isfinite(value)]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `count` steps; equal values come to lie inside."""
    low, high = (max(-LARGEST, min(LARGEST, value)) for value in (low, high))
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-200):  # equal, or too close to tell apart on any screen
        half = max(abs(low), abs(high)) / 2 or 0.5
        low, high = low - half, high + half
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from at most `low` to at least `high`, both positive; every second or third over a wide range."""
    low, high = (max(1 / LARGEST, min(LARGEST, value)) for value in (low, high))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    step = -(-(last - first) // 6)
    return [10.0**power for power in range(first, last + step, step)]


def chart(
    metric: Metric,
    rows: Sequence[tuple[str, Cell, bool]],
    title: str = "",
    bars: bool = False,
    limits: tuple[float | None, float | None] = (None, None),
) -> Chart:
    """A chart of (label, cell, is truth) rows; `bars` begin at zero, or at the lower of `limits`, as printed."""
    ends = [v * scale(metric) for _, cell, _ in rows for v in (cell.value, cell.low, cell.high) if v is not None]
    over = axis([*ends, *limits, 0.0 if bars and limits[0] is None else None])

    def place(value: float | None) -> float | None:
        return None if value is None else over.place(value * scale(metric))

    tracks = [
        Track(
            label, value_text(metric, cell), interval(metric, cell.low, cell.high),
            place(cell.value), place(cell.low), place(cell.high), truth,
        )
        for label, cell, truth in rows
    ]  # fmt: skip
    truth_at = next((track.x for track in tracks if track.truth), None)
    return Chart(title or heading(metric), tracks, over.labels(across=True), over.place(0.0) or 0.0, truth_at)


def of_metric(metric: Metric, entries: Sequence[Entry]) -> Chart:
    """The chart of one metric over the systems of a table."""
    return chart(metric, [(entry.name, entry.cells[metric.name], entry.truth) for entry in entries])


@dataclass(frozen=True)
class Point:
    """A point in per cent, y from the top. Its label stands `down` px below it; None: there is no room for it."""

    label: str
    x: float
    y: float
    front: bool
    title: str
    down: float | None = 0.0


LINE, RADIUS, SIGN = 15.0, 7.0, 6.7  # px: a label's height, a point with its rim, the mean width of a sign


def apart(points: Sequence[tuple[float, float, str]], high: float) -> list[float | None]:
    """For each (x, y, label), x and y in per cent, how many px its label has to move down so that no two labels meet;
    None where there is no room for it in a plot of `high` px.

    A label begins right of its point in the left half and ends left of it in the right half. Places are found for the
    narrowest plot: in a wider one points move apart and labels keep their size, so that nothing comes to meet but two
    labels that face each other and have passed each other in the narrowest one.
    """
    dots = [(NARROW * x / 100, high * y / 100) for x, y, _ in points]
    taken: list[tuple[float, float, float, bool]] = []
    moved: list[float | None] = [None] * len(points)
    for at in sorted(range(len(points)), key=lambda n: dots[n][1]):
        (x, y), wide = dots[at], SIGN * len(points[at][2])
        onward = points[at][0] <= 50
        left, right = (x + 9, min(x + 9 + wide, NARROW + 9)) if onward else (max(x - 9 - wide, -9), x - 9)
        near = [v for a, b, v, also in taken if not ((right < a and onward >= also) or (left > b and onward <= also))]
        others = [(u - RADIUS, u + RADIUS, v) for n, (u, v) in enumerate(dots) if n != at]
        steps = sorted((LINE / 3 * n for n in range(-200, 201)), key=abs)
        for down in (step for step in steps if 0 <= y + step <= high):
            here = y + down
            free = all(abs(here - v) >= LINE for v in near)
            clear = all(right < a or left > b or abs(here - v) >= LINE / 2 + RADIUS - 2 for a, b, v in others)
            if free and (clear or abs(down) > 8 * LINE):
                moved[at] = down
                taken.append((left, right, here, onward))
                break
    return moved


@dataclass(frozen=True)
class Scatter:
    """Quality against speed; `front` joins the points that no other beats on both (per cent, y from the top)."""

    x_title: str
    y_title: str
    points: list[Point]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    front: list[tuple[float, float]]
    tall: bool = False


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
        if a is not None and b is not None and len(finite([a, b])) == 2 and not entry.truth and not entry.anchor:
            rows.append((entry.name, a, b))
    if len(rows) < 2:
        return None
    signs = [1.0 if metric.better == "lower" else -1.0 for metric in (x, y)]
    fronts = pareto([(a * signs[0], b * signs[1]) for _, a, b in rows])
    wide = [a * scale(x) for _, a, _ in rows]
    logarithmic = min(wide) > 0 and max(wide) > 20 * min(wide)
    across, up = axis(wide, logarithmic), axis(b * scale(y) for _, _, b in rows)
    tall = len(rows) > 16
    marks = [(across.place(a * scale(x)) or 0.0, 100 - (up.place(b * scale(y)) or 0.0), name) for name, a, b in rows]
    points = [
        Point(
            name, across.place(a * scale(x)) or 0.0, 100 - (up.place(b * scale(y)) or 0.0), front,
            f"{name}: {number(x, a)}, {number(y, b)}", down,
        )
        for (name, a, b), front, down in zip(rows, fronts, apart(marks, 2 * HIGH if tall else HIGH), strict=True)
    ]  # fmt: skip
    line = sorted((point.x, point.y) for point in points if point.front)
    return Scatter(
        heading(x) + (", logarithmic" if logarithmic else ""), heading(y), points,
        across.labels(across=True), [(100 - at, label) for at, label in up.labels()], line, tall,
    )  # fmt: skip
