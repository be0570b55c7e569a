"""The leaderboard as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttsbench.records import Metric
from ttsbench.reports import markdown as md
from ttsbench.reports import ranking
from ttsbench.reports.ranking import View
from ttsbench.reports.reported import Reported
from ttsbench.reports.sheets import csv_text
from ttsbench.reports.tables import Table
from ttsbench.reports.values import (
    CODEC_TITLES,
    codec_cells,
    covered,
    heading,
    interval,
    number,
    rank_text,
    value_text,
)

MARKS = {(1, 1): "textbf", (2, 2): "underline"}  # by the rank that a system holds alone
SIGNS = {"↓": r"$\downarrow$", "↑": r"$\uparrow$", "−": "$-$", "–": "--"}  # what the pandas styler does not escape


def markdown(table: Table, view: View, by: Metric, reported: Sequence[Reported] = ()) -> str:
    """One leaderboard with its heading, and the reported rows under a heading of their own."""
    metrics = table.columns
    codec = CODEC_TITLES if any(entry.card.get("codec") for entry in table.entries) else ()
    header = ["rank", "system", *map(_title, metrics), "scored", *codec, "parameters", "GFLOP per 10 s", "licence"]
    right = [True, False, *[True] * (len(header) - 3), False]
    rows = []
    for entry in ranking.order(table, view, by):
        cells, card = view.cells[entry.name], {} if entry.truth else entry.card
        rank = "" if entry.truth else rank_text(view.ranks[entry.name].get(by.name))
        measured = [_md_value(view, entry.name, metric) for metric in metrics]
        about = ["" if entry.truth else _count(card.get(key)) for key in ("parameters", "gflop_per_10s")]
        shape = codec_cells(entry.card) if codec else []
        name, licence = md.escaped(entry.name), md.escaped(card.get("licence", ""))
        rows.append([rank, name, *measured, covered(cells[by.name]), *shape, *about, licence])
    lines = [
        f"## {md.escaped(table.testset['name'])}, scored with {md.escaped(table.protocol['name'])} "
        f"v{table.protocol['version']}",
        "",
        md.table(header, right, rows),
        "",
        f"Ranks by {md.escaped(by.title)}: systems whose paired difference is not significant (Holm, 5 %) share ranks.",
        f"In brackets 95 % intervals over {table.unit}s.",
        "",
    ]
    for each in reported:
        lines += [f"Reported in the literature, not measured here: {md.escaped(each.title)}", ""]
        body = [list(map(md.escaped, row)) for row in each.rows]
        lines += [md.table(list(map(md.escaped, each.header)), [False] * len(each.header), body), ""]
    return "\n".join(lines)


def _title(metric: Metric) -> str:
    return md.escaped(heading(metric))


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else "–"


def _md_value(view: View, system: str, metric: Metric) -> str:
    cell = view.cells[system][metric.name]
    if cell.value is None:
        return value_text(metric, cell)
    text = number(metric, cell.value)
    text = f"**{text}**" if view.ranks[system].get(metric.name) == (1, 1) else text
    return f"{text} [{interval(metric, cell.low, cell.high)}]" if cell.low is not None else text


HEADER = (
    "kind", "testset", "protocol", "protocol_version", "view", "system", "licence", "parameters", "gflop_per_10s",
    "metric", "value", "low", "high", "scored", "asked", "rank_best", "rank_worst",
)  # fmt: skip


def board_csv(parts: Sequence[tuple[Table, list[View]]], reported: Sequence[Reported]) -> str:
    """Measured rows of every view, then the reported rows (kind 'reported'), one value a line."""
    rows: list[tuple[object, ...]] = []
    for table, views in parts:
        for view in views:
            for entry in table.entries:
                for name in (metric.name for metric in [*table.columns, *table.folded]):
                    cell = view.cells[entry.name][name]
                    place = view.ranks[entry.name].get(name) or (None, None)
                    rows.append((
                        "ground truth" if entry.truth else "measured", table.testset["name"], table.protocol["name"],
                        table.protocol["version"], view.name, entry.name, entry.card.get("licence"),
                        entry.card.get("parameters"), entry.card.get("gflop_per_10s"), name, cell.value,
                        cell.low, cell.high, cell.scored, cell.asked,
                        *place,
                    ))  # fmt: skip
    for each in reported:
        for row in each.rows:
            for name, value in list(zip(each.header, row, strict=False))[1:]:
                if value:
                    rows.append(
                        ("reported", each.name, "as published", "", "all", row[0], "", "", "", name, value) + ("",) * 6
                    )
    return csv_text(HEADER, rows)


def latex(table: Table, view: View, by: Metric) -> str:
    """A booktabs table: bold who is alone in the first rank of a metric, underlined who is alone in the second."""
    metrics, entries = table.columns, ranking.order(table, view, by)
    cells = {entry.name: view.cells[entry.name] for entry in entries}
    data = pd.DataFrame(
        [[entry.name, *(value_text(m, cells[entry.name][m.name]) for m in metrics)] for entry in entries],
        columns=["System", *map(heading, metrics)], dtype=object,
    )  # fmt: skip
    marked = pd.DataFrame("", index=data.index, columns=data.columns)
    for column, metric in enumerate(metrics, 1):
        for row, entry in enumerate(entries):
            if mark := MARKS.get(view.ranks[entry.name].get(metric.name) or (0, 0)):
                marked.iat[row, column] = f"{mark}:--rwrap;"
    style = data.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    title = f"{table.testset['name']}, scored with {table.protocol['name']} v{table.protocol['version']}."
    text = style.apply(lambda _: marked, axis=None).to_latex(
        hrules=True, column_format="l" + "r" * len(metrics), position_float="centering",
        caption=_plain_tex(f"{title} Alone in the first rank: bold; in the second: underlined."),
    )  # fmt: skip
    return text.translate(str.maketrans(SIGNS))


def _plain_tex(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else sign for sign in text)
