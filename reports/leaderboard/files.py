"""The leaderboard: one ranked table per protocol and test set, as HTML, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.errors import unknown
from ttsbench.records import Metric
from ttsbench.reports import breakdown, charts, reported, values, verdict
from ttsbench.reports.clips import Clips
from ttsbench.reports.frame import csv_text
from ttsbench.reports.leaderboard import entries, formats, ranking
from ttsbench.reports.leaderboard.ranking import View
from ttsbench.reports.render import links, render
from ttsbench.reports.tables import ReportError, Table
from ttsbench.store import write_atomically


def write(out: Path, by: str = "") -> list[tuple[Table, list[View]]]:
    """Write every format of the board in folder `out` from its entries alone. Returns its tables and their views."""
    found = [table for table in entries.load(out) if ranking.ranked(table) and table.systems]
    check(by, found)
    parts = [(table, ranking.views(table)) for table in found]
    published = reported.load()
    clips = Clips(out)
    markdown, latex, sections = ["# Leaderboard", ""], [], []
    for index, (table, views) in enumerate(parts):
        metric = _metric(table, by)
        fitting = reported.for_testset(table.testset["name"], table.samples, published)
        markdown.append(formats.markdown(table, views[0], metric, fitting))
        latex.append(formats.latex(table, views[0], metric))
        sections.append(_section(table, views, metric, clips, index) | {"reported": fitting})
    write_atomically(out / "leaderboard.md", "\n".join(markdown).encode())
    write_atomically(out / "leaderboard.tex", "\n".join(latex).encode())
    write_atomically(out / "leaderboard.csv", csv_text(formats.board_frame(parts, published)).encode())
    shown = {each.name for section in sections for each in section["reported"]}
    others = [each for each in published if each.name not in shown]
    text = render(
        "leaderboard.html", ("player.js", "diff.js", "board.js"), {"audio": clips.urls()},
        title="Leaderboard", links=links(out, "leaderboard.html"), sections=sections, others=others,
        filters=_filters(parts),
    )  # fmt: skip
    write_atomically(out / "leaderboard.html", text.encode())
    return parts


def check(by: str, found: Sequence[Table]) -> None:
    """Raise ReportError where no table can be ranked by metric `by`; one that cannot uses its first metric."""
    known = dict.fromkeys(metric.name for table in found for metric in ranking.ranked(table))
    if not by or by in known:
        return
    others = {metric.name: metric for table in found for metric in table.metrics}
    if by not in others:
        raise ReportError(unknown("metric to rank by", by, known))
    why = "has no better direction" if others[by].better == "neither" else "is no headline, or has no number in any run"
    raise ReportError(f"--by {by}: the metric {why}; there are: {', '.join(known)}")


def _filters(parts: list[tuple[Table, list[View]]]) -> list[tuple[str, str, list[str]]]:
    """(label, key, choices) of the page's selectors."""
    tables = [table for table, _ in parts]
    return [
        ("Protocol", "protocol", sorted({table.protocol["name"] for table in tables})),
        ("Test set", "testset", sorted({table.testset["name"] for table in tables})),
        ("Language", "language", sorted({sample.language for table in tables for sample in table.samples})),
        ("Category", "category", sorted({v.name for _, views in parts for v in views if v.kind == "category"})),
    ]


def _metric(table: Table, by: str) -> Metric:
    metrics = ranking.ranked(table)
    return next((metric for metric in metrics if metric.name == by), metrics[0])


def _section(table: Table, views: list[View], by: Metric, clips: Clips, index: int) -> dict[str, Any]:
    metrics = table.columns
    speeds = [m for m in table.measured if m.family == "speed" and m.better == "lower"][:2]
    quality = breakdown.headline_metrics(table)
    plots = [plot for x in speeds for y in quality if (plot := charts.scatter(x, y, table.entries))]
    rows = [{"view": view, "entries": ranking.order(table, view, by)} for view in views]
    categories = [view for view in views if view.kind == "category"]
    bars = [
        (metric, [charts.chart(metric, [(e.name, view.cells[e.name][metric.name], e.truth) for e in table.entries],
                               view.name, bars=True) for view in categories])
        for metric in quality
    ] if categories else []  # fmt: skip
    heard = []
    for entry in table.systems:
        kept = entries.examples(entry, table.protocol["name"])
        heard.append((entry, [
            row | {"clips": [(what, clips.number(path)) for what, path in row["clips"].items()],
                   "metric": next(m for m in table.metrics if m.name == row["metric"])} for row in kept
        ]))  # fmt: skip
    return {
        "table": table, "index": index, "metrics": metrics, "by": by, "rows": rows, "plots": plots[:4], "bars": bars,
        "examples": [pair for pair in heard if pair[1]], "languages": sorted({s.language for s in table.samples}),
        "codec": values.CODEC_TITLES if any(entry.card.get("codec") for entry in table.entries) else (),
        "facts": verdict.facts(table), "verdicts": verdict.verdicts(table), "warning": verdict.recogniser_errs(table),
        "counted": any("gflop_per_10s" in entry.card for entry in table.entries),
    }  # fmt: skip
