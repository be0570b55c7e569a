"""The leaderboard: one ranked table per protocol and test set, as HTML, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.errors import unknown
from ttsbench.records import Metric
from ttsbench.reports import beside, breakdown, charts, ranking, reported
from ttsbench.reports.clips import Clips
from ttsbench.reports.leaderboard import entries, formats
from ttsbench.reports.markdown import escaped
from ttsbench.reports.ranking import View
from ttsbench.reports.render import render
from ttsbench.reports.shown import shown
from ttsbench.reports.tables import ReportError, Table
from ttsbench.store import write_atomically


def write(out: Path, by: str = "", title: str = "") -> list[tuple[Table, list[View]]]:
    """Write every format of the board in folder `out` from its entries alone. Returns its tables and their views."""
    title = title or "Leaderboard"
    found = [table for table in entries.load(out) if ranking.ranked(table) and table.systems]
    check(by, found)
    parts = [(table, ranking.views(table)) for table in found]
    published = [*reported.load(), *reported.load(out / entries.REPORTED)]
    clips = Clips(out)
    markdown, latex, sections = [f"# {escaped(title)}", ""], [], []
    for index, (table, views) in enumerate(parts):
        metric = _metric(table, by)
        of = table.testset
        fitting = reported.for_testset(str(of["digest"]), str(of["source"]), table.samples, published)
        markdown.append(formats.markdown(table, views[0], metric, fitting))
        latex.append(formats.latex(table, views[0], metric))
        sections.append(_section(table, views, metric, clips, index) | {"reported": fitting})
    write_atomically(out / "leaderboard.md", "\n".join(markdown).encode())
    write_atomically(out / "leaderboard.tex", "\n".join(latex).encode())
    write_atomically(out / "leaderboard.csv", formats.board_csv(parts, published).encode())
    others = [each for each in published if not any(each in section["reported"] for section in sections)]
    text = render(
        "leaderboard.html", ("player.js", "diff.js", "sort.js", "board.js", "page.js"), {"audio": clips.urls()},
        title=title, sections=sections, others=others,
        filters=_filters(parts),
    )  # fmt: skip
    beside.write(out / "leaderboard.html", text)
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
        **shown(table, by), "index": index, "rows": rows, "plots": plots[:4], "bars": bars,
        "examples": [pair for pair in heard if pair[1]], "languages": sorted({s.language for s in table.samples}),
    }  # fmt: skip
