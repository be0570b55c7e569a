"""The latency profile as a page: tables of quantiles, lines over length and concurrency, chunks against playback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.reports.charts import axis, ticks
from ttsbench.reports.render import render
from ttsbench.store import write_atomically


@dataclass(frozen=True)
class Line:
    """One system's line: `points` are (x, y, low, high) in per cent of the plot, y and its interval from the top."""

    label: str
    points: list[tuple[float, float, float, float]]


@dataclass(frozen=True)
class Plot:
    """Lines over common axes; ticks are (position in per cent, label)."""

    title: str
    x_title: str
    y_title: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


Series = tuple[str, list[tuple[float, list[float]]]]


def plot(title: str, x_title: str, y_title: str, series: Sequence[Series]) -> Plot | None:
    """A plot of (label, [(x, [value, low, high]), ...]) series from zero up; None where there is nothing to draw."""
    every = [(x, y) for _, points in series for x, y in points]
    if not every:
        return None
    across, up = axis([0.0, *(x for x, _ in every)]), axis([0.0, *(high for _, (_, _, high) in every)])

    def down(y: float) -> float:
        return 100 - (up.place(y) or 0.0)

    lines = [
        Line(label, [(across.place(x) or 0.0, down(y), down(low), down(high)) for x, (y, low, high) in points])
        for label, points in series
    ]
    return Plot(title, x_title, y_title, lines, across.labels(), [(100 - at, label) for at, label in up.labels()])


def _over(systems: Sequence[dict[str, Any]], axis: str, value: str, fixed: dict[str, float | None]) -> list[Series]:
    """For each system the medians of `value` along `axis`, the other settings held at `fixed`."""
    return [
        (
            system["name"],
            [
                (row[axis], [row[value]] * 3 if isinstance(row[value], float) else row[value]["p50"])
                for row in sorted(system["rows"], key=lambda row: row[axis] or 0)
                if row[axis] is not None
                and row[value] is not None
                and all(row[key] == wanted for key, wanted in fixed.items() if key != axis)
            ],
        )
        for system in systems
    ]


def plots(data: dict[str, Any]) -> list[Plot]:
    """Latency and total time against length, prompt and chunk size, latency and throughput against concurrency and
    batch size."""
    systems, base = data["systems"], data["base"]
    wanted = [
        ("First audible sample against text length", "words", "s", "words", "first_audible"),
        ("Whole utterance against text length", "words", "s", "words", "total"),
        ("First audible sample against prompt length", "seconds of prompt", "s", "prompt_seconds", "first_audible"),
        ("First audible sample against concurrency", "utterances at once", "s", "concurrency", "first_audible"),
        (
            "Throughput against concurrency",
            "utterances at once",
            "audio seconds per second",
            "concurrency",
            "throughput",
        ),
        ("Throughput against batch size", "readings in a batch", "audio seconds per second", "batch", "throughput"),
        ("First audible sample against chunk size", "frames in a chunk", "s", "chunk_frames", "first_audible"),
        ("Real-time factor against chunk size", "frames in a chunk", "RTF", "chunk_frames", "rtf_each"),
    ]
    found = []
    for title, x_title, y_title, along, value in wanted:
        series = _over(systems, along, value, base)
        if max((len(points) for _, points in series), default=0) > 1:
            found.append(plot(title, x_title, y_title, series))
    return [item for item in found if item is not None]


@dataclass(frozen=True)
class Timeline:
    """Chunks of one utterance: `bars` are (start, width) of playing in per cent, `marks` arrivals in per cent."""

    label: str
    note: str
    bars: list[tuple[float, float]]
    marks: list[float]


def timelines(systems: Sequence[dict[str, Any]]) -> tuple[list[Timeline], list[tuple[float, str]]]:
    """When chunks arrived and when they could play, for the longest text of each system, on one common axis."""
    drawn = []
    for system in systems:
        bars = [(start, seconds) for _, start, seconds in system["timeline"]]
        drawn.append((system, bars, sum(bars[-1]) if bars else 0.0))
    longest = max((end for _, _, end in drawn), default=0.0)
    if not longest:
        return [], []
    marks = ticks(0, longest)
    scale = 100 / marks[-1]
    lines = [
        Timeline(
            system["name"],
            f"{len(bars)} chunk{'s' if len(bars) != 1 else ''}",
            [(round(start * scale, 2), round(width * scale, 2)) for start, width in bars],
            [round(at * scale, 2) for at, _, _ in system["timeline"]],
        )
        for system, bars, _ in drawn
        if bars
    ]
    return lines, [(round(mark * scale, 2), f"{mark:g}") for mark in marks]


def write_page(data: dict[str, Any], out: Path) -> Path:
    """Write profile.html of `profile.json`'s data into folder `out`."""
    lines, axis = timelines(data["systems"])
    page = render(
        "latency.html",
        title="latency profile",
        data=data,
        plots=plots(data),
        timelines=lines,
        axis=axis,
        ms=lambda value: "–" if value is None else f"{1000 * value:.0f}",
    )
    target = out / "profile.html"
    write_atomically(target, page.encode())
    return target
