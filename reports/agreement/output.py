"""Agreement of metrics and listeners as a page with scatter plots, a CSV file, a table in the terminal, plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Lines
from rich.text import Text

from ttsbench.records import Metric
from ttsbench.reports import beside
from ttsbench.reports.agreement.join import Comparison, Row, Spot
from ttsbench.reports.agreement.measure import Agreement, Figure
from ttsbench.reports.charts import HIGH, Point, Scatter, apart, axis
from ttsbench.reports.render import render
from ttsbench.reports.sheets import csv_text
from ttsbench.reports.tables import plain
from ttsbench.reports.values import heading, number, scale
from ttsbench.store import write_atomically

FIGURES = ("spearman", "kendall", "accuracy", "disattenuated")
TITLES = ("Spearman", "Kendall", "Pairs alike", "Spearman, raters without end")
RATING = Metric("rating", "Mean rating", "points", "higher", None, None, "ratings", "")


def write(found: Sequence[Comparison], out: Path) -> Path:
    """agreement.html and agreement.csv in folder `out`; the page."""
    columns = ("testset", "protocol", "protocol_version", "metric", "over", "count", "reliability", *_columns())
    rows = [
        (each.table.testset["name"], each.table.protocol["name"], each.table.protocol["version"], row.metric.name,
         over, got.count, got.reliability, *_cells(got))
        for each in found for row in each.rows for over, got in (("systems", row.systems), ("utterances", row.clips))
    ]  # fmt: skip
    write_atomically(out / "agreement.csv", csv_text(columns, rows).encode())
    text = render(
        "agreement.html", ("page.js",), title="Metrics and listeners", found=found, text=text_of, percent=percent,
        titles=TITLES, figures=FIGURES,
        plots=[[(row, _scatter(row, True), _scatter(row, False)) for row in c.rows] for c in found],
    )  # fmt: skip
    beside.write(out / "agreement.html", text)
    return out / "agreement.html"


def _columns() -> list[str]:
    return [f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high")]


def _cells(got: Agreement) -> list[float | None]:
    return [v for name in FIGURES for v in asdict(getattr(got, name)).values()]


def plain_data(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The figures as JSON-able data."""
    return [
        {
            "testset": each.table.testset["name"], "protocol": each.table.protocol["name"],
            "protocol_version": each.table.protocol["version"], "raters": len(each.panel.raters),
            "systems": each.systems, "sentences": each.sentences, "missing": each.missing,
            "metrics": {
                row.metric.name: {"systems": asdict(row.systems), "utterances": asdict(row.clips)} for row in each.rows
            },
        }
        for each in found
    ]  # fmt: skip


def text_of(figure: Figure, share: bool = False) -> str:
    """'0.71 (0.60 to 0.80)', per cent for shares; an en dash where there is none."""
    show = percent if share else _signed
    if figure.value is None:
        return "–"
    ends = "" if figure.low is None or figure.high is None else f" ({show(figure.low)} to {show(figure.high)})"
    return show(figure.value) + ends


def percent(value: float | None) -> str:
    """A share in whole per cent."""
    return "–" if value is None else f"{100 * value:.0f} %"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def print_tables(found: Sequence[Comparison]) -> None:
    """One table a test set and protocol to standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:  # a log has no width
        console.width = 200
    for each in found:
        lines = Lines(box=box.SIMPLE_HEAD, title=plain(each.table.title), title_justify="left")
        lines.add_column("metric")
        for title in ("Spearman, systems", "pairs alike", "Spearman, utterances", "Kendall", "pairs alike", TITLES[3]):
            lines.add_column(title, justify="right")
        for row in each.rows:
            s, c = row.systems, row.clips
            cells = (text_of(s.spearman), text_of(s.accuracy, True), text_of(c.spearman), text_of(c.kendall),
                     text_of(c.accuracy, True), text_of(c.disattenuated))  # fmt: skip
            lines.add_row(Text(plain(heading(row.metric))), *map(Text, cells))
        console.print(lines)


def _scatter(row: Row, systems: bool) -> Scatter:
    """Mean ratings against the metric: a dot a system, or a clip without a name."""
    spots = row.system_spots if systems else row.clip_spots
    across, up = axis(s.metric * scale(row.metric) for s in spots), axis(s.rating for s in spots)
    marks = [(across.place(s.metric * scale(row.metric)) or 0.0, 100 - (up.place(s.rating) or 0.0)) for s in spots]
    tall = systems and len(spots) > 16
    downs = apart([(*at, s.system) for at, s in zip(marks, spots, strict=True)], HIGH * (1 + tall)) if systems else ()
    points = [
        Point(
            s.system if systems else "", *at, systems, _told(s, row.metric), down,
        )
        for s, at, down in zip(spots, marks, downs or [None] * len(spots), strict=True)
    ]  # fmt: skip
    of = "systems" if systems else "utterances"
    ticks = [(100 - at, label) for at, label in up.labels()]
    return Scatter(heading(row.metric), f"Mean rating of {of}", points, across.labels(across=True), ticks, [], tall)


def _told(spot: Spot, metric: Metric) -> str:
    name = f"{spot.system}, {spot.sample}" if spot.sample else spot.system
    return f"{name}: {number(metric, spot.metric)}, rated {number(RATING, spot.rating)}"
