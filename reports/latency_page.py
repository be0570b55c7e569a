"""The latency profile as a page: tables of quantiles, lines over length and concurrency, chunks against playback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.reports.charts import axis
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


def _over(
    systems: Sequence[dict[str, Any]], axis: str, value: str, fixed: dict[str, float | None], scale: float
) -> list[Series]:
    """For each system the medians of `value` times `scale` along `axis`, the other settings held at `fixed`."""
    return [
        (
            system["name"],
            [
                (
                    row[axis],
                    [scale * y for y in ([row[value]] * 3 if isinstance(row[value], float) else row[value]["p50"])],
                )
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
        ("First audible sample against text length", "words", "ms", "words", "first_audible"),
        ("Whole utterance against text length", "words", "ms", "words", "total"),
        ("First audible sample against prompt length", "seconds of prompt", "ms", "prompt_seconds", "first_audible"),
        ("First audible sample against concurrency", "utterances at once", "ms", "concurrency", "first_audible"),
        (
            "Throughput against concurrency",
            "utterances at once",
            "audio seconds per second",
            "concurrency",
            "throughput",
        ),
        ("Throughput against batch size", "readings in a batch", "audio seconds per second", "batch", "throughput"),
        ("First audible sample against chunk size", "frames in a chunk", "ms", "chunk_frames", "first_audible"),
        ("Real-time factor against chunk size", "frames in a chunk", "RTF", "chunk_frames", "rtf_each"),
    ]
    found = []
    for title, x_title, y_title, along, value in wanted:
        series = _over(systems, along, value, base, 1000.0 if y_title == "ms" else 1.0)
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
    """When chunks arrived and when they could play, for the longest text of each system, on one common axis in ms."""
    drawn = [(system["name"], system["timeline"]) for system in systems]
    over = axis([0.0, *(1000 * (start + seconds) for _, played in drawn for _, start, seconds in played)])
    if not any(played for _, played in drawn):
        return [], []

    def place(seconds: float) -> float:
        return over.place(1000 * seconds) or 0.0

    lines = [
        Timeline(
            name,
            f"{len(played)} chunk{'s' if len(played) != 1 else ''}",
            [(place(start), round(place(start + seconds) - place(start), 2)) for _, start, seconds in played],
            [place(arrived) for arrived, _, _ in played],
        )
        for name, played in drawn
        if played
    ]
    return lines, over.labels()


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
