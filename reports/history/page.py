"""A history as one self-contained page: a chart a metric, with intervals and steps, and any two points side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ttsbench.records import Metric
from ttsbench.reports import beside
from ttsbench.reports.charts import axis
from ttsbench.reports.history.points import Figure, Point
from ttsbench.reports.history.steps import steps
from ttsbench.reports.render import render
from ttsbench.reports.values import heading, interval, number, scale

WIDE, HIGH = 640.0, 120.0  # of a chart, in the units of its view box


@dataclass(frozen=True)
class Step:
    """A change of level: where, from and to which level (medians), and whether for the better."""

    at: str
    commit: str
    before: str
    after: str
    kind: str
    x: float


@dataclass(frozen=True)
class Drawn:
    """One metric over time, each kind of mark in one SVG path, so that 1,000 points open at once.

    `line` has a piece for each machine where timings are concerned; `band` are the intervals; `gone` are
    moments without a number.
    """

    metric: Metric
    title: str
    latest: str
    line: str
    band: str
    dots: str
    gone: str
    ticks: list[tuple[float, str]]
    steps: list[Step]


@dataclass(frozen=True)
class Series:
    """One system on one test set under one protocol, the oldest point first."""

    points: list[Point]
    charts: list[Drawn]

    @property
    def title(self) -> str:
        return f"{self.points[0].system} on {self.points[0].testset}"

    @property
    def under(self) -> str:
        first, last = self.points[0], self.points[-1]
        span = first.when[:10] if first.when[:10] == last.when[:10] else f"{first.when[:10]} to {last.when[:10]}"
        count = len(self.points)
        where = f"{first.protocol} version {first.protocol_version}, rows {first.digest[:8]}"
        return f"{where}, {count} point{'s' if count > 1 else ''}, {span}"


def write_page(points: Sequence[Point], path: Path, title: str = "History") -> list[Series]:
    """Write the page; the series on it, by system and test set. What was measured once is listed, not drawn."""
    found = series(points)
    drawn, once = [s for s in found if len(s.points) > 1], [s for s in found if len(s.points) == 1]
    data = [[_told(point, s) for point in s.points] for s in drawn]
    text = render(
        "history.html", ("history.js", "page.js"), {"points": data}, title=title, series=drawn, once=once, wide=WIDE,
        high=HIGH,
    )  # fmt: skip
    beside.write(path, text)
    return found


def series(points: Sequence[Point]) -> list[Series]:
    """Points that belong together, in the order of time, drawn."""
    groups: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        groups.setdefault(point.series, []).append(point)
    ordered = [sorted(group, key=lambda p: p.when) for _, group in sorted(groups.items(), key=lambda g: str(g[0]))]
    return [Series(group, _charts(group)) for group in ordered]


def _charts(points: list[Point]) -> list[Drawn]:
    metrics = {f.metric.name: f.metric for point in points for f in point.figures if f.metric.headline}
    return [_chart(metric, points) for metric in metrics.values()]


def _figure(point: Point, metric: Metric) -> Figure | None:
    return next((each for each in point.figures if each.metric.name == metric.name), None)


def _chart(metric: Metric, points: list[Point]) -> Drawn:
    figures = [_figure(point, metric) for point in points]
    known = [(i, f) for i, f in enumerate(figures) if f is not None and f.value is not None]
    over = axis(v * scale(metric) for _, f in known for v in (f.value, f.low, f.high) if v is not None)

    def x(index: int) -> float:
        return round(WIDE * (index + 0.5) / len(points), 2)

    def y(value: float | None) -> float:
        return round(HIGH * (1 - (over.place((value or 0.0) * scale(metric)) or 0.0) / 100), 2)

    timed = metric.family in ("speed", "cost")
    pieces: list[list[tuple[int, Figure]]] = []
    for index, figure in known:  # timings of two machines are neither joined nor compared
        other = timed and pieces and points[pieces[-1][-1][0]].machine != points[index].machine
        if not pieces or other:
            pieces.append([])
        pieces[-1].append((index, figure))
    band = [f"M{x(i)} {y(f.low)}V{y(f.high)}" for i, f in known if f.low is not None and f.high is not None]
    latest = known[-1][1] if known else None
    said = "" if latest is None else f"{number(metric, latest.value)} ({interval(metric, latest.low, latest.high)})"
    return Drawn(
        metric=metric,
        title=heading(metric),
        latest=said.replace(" ()", ""),
        line="".join("M" + "L".join(f"{x(i)} {y(f.value)}" for i, f in piece) for piece in pieces),
        band="".join(band),
        dots="".join(f"M{x(i)} {y(f.value)}h0" for i, f in known),
        gone="".join(f"M{x(i)} {HIGH}h0" for i, f in enumerate(figures) if f is not None and f.value is None),
        ticks=[(round(HIGH * (1 - at / 100), 2), label) for at, label in over.labels()],
        steps=[step for piece in pieces for step in _steps(metric, piece, points, x)],
    )


def _steps(metric: Metric, piece: list[tuple[int, Figure]], points: list[Point], x: Any) -> list[Step]:
    values = [f.value for _, f in piece if f.value is not None and math.isfinite(f.value)]
    if len(values) != len(piece):
        return []
    at = steps(values)
    ends, found = [0, *at, len(values)], []
    for place, begin in enumerate(at, 1):
        before, after = (median(values[ends[k - 1] : ends[k]]) for k in (place, place + 1))
        rose = (after > before) == (metric.better == "higher")
        kind = "none" if metric.better == "neither" else "good" if rose else "bad"
        index = piece[begin][0]
        point = points[index]
        found.append(
            Step(
                point.when[:10], point.commit[:10], number(metric, before), number(metric, after), kind, x(index - 0.5)
            )
        )
    return found


def _told(point: Point, within: Series) -> dict[str, Any]:
    """What the page's script shows of a point."""
    rows = {}
    for drawn in within.charts:
        figure = _figure(point, drawn.metric)
        if figure is None:
            continue
        failed = f"failed {figure.failed} of {figure.asked}" if figure.failed else ""
        rows[drawn.title] = [
            number(drawn.metric, figure.value), interval(drawn.metric, figure.low, figure.high), failed, figure.value,
        ]  # fmt: skip
    return {
        "when": point.when[:16].replace("T", " "), "commit": point.commit[:10], "version": point.version,
        "machine": point.machine, "run": point.run, "rows": rows,
        "page": f"{point.run}/compare.html" if point.run and (Path(point.run) / "compare.html").exists() else "",
    }  # fmt: skip
