"""The leaderboard as Markdown, CSV and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ttsbench.records import Cell, Metric
from ttsbench.reports import board
from ttsbench.reports.board import View
from ttsbench.reports.reported import Reported
from ttsbench.reports.tables import Table
from ttsbench.reports.values import (
    CODEC_TITLES,
    best,
    codec_cells,
    csv_text,
    heading,
    interval,
    number,
    rank_text,
    value_text,
)

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↓": r"$\downarrow$", "↑": r"$\uparrow$", "−": "$-$", "–": "--",
}  # fmt: skip


def md(text: object) -> str:
    """Text that Markdown shows as it is, inside a table cell."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", str(text))
    return re.sub(r"\s+", " ", escaped)


def tex(text: object) -> str:
    """Text that LaTeX shows as it is."""
    return "".join(LATEX.get(sign, sign) for sign in re.sub(r"\s+", " ", str(text)))


def second(metric: Metric, cells: Sequence[Cell]) -> float | None:
    """The second best distinct headline value."""
    values = {cell.value for cell in cells if cell.value is not None}
    values.discard(best(metric, cells))
    if not values or metric.better == "neither":
        return None
    return min(values) if metric.better == "lower" else max(values)


def markdown(table: Table, view: View, by: Metric, reported: Sequence[Reported] = ()) -> str:
    """One leaderboard with its heading, and the reported rows under a heading of their own."""
    metrics = table.columns
    codec = CODEC_TITLES if any(entry.card.get("codec") for entry in table.entries) else ()
    lines = [
        f"## {md(table.testset['name'])}, scored with {md(table.protocol['name'])} v{table.protocol['version']}",
        "",
    ]
    lines.append(
        "| rank | system | "
        + " | ".join(md(heading(m)) for m in metrics)
        + " | scored | "
        + "".join(f"{title} | " for title in codec)
        + "parameters | GFLOP per 10 s | licence |"
    )
    lines.append("| ---: | --- |" + " ---: |" * (len(metrics) + len(codec)) + " ---: | ---: | ---: | --- |")
    for entry in board.order(table, view, by):
        cells = view.cells[entry.name]
        rank = "" if entry.truth else rank_text(view.ranks[entry.name].get(by.name))
        values = [_md_value(table, view, entry.name, metric, entry.truth) for metric in metrics]
        scored = f"{cells[by.name].scored} of {cells[by.name].asked}"
        about = ["", ""] if entry.truth else [_count(entry.card.get(key)) for key in ("parameters", "gflop_per_10s")]
        shape = codec_cells(entry.card) if codec else []
        licence = "" if entry.truth else entry.card.get("licence", "")
        lines.append("| " + " | ".join([rank, md(entry.name), *values, scored, *shape, *about, md(licence)]) + " |")
    lines += [
        "",
        f"Ranks by {md(by.title)}: systems whose paired difference is not significant (Holm, 5 %) share ranks.",
    ]
    lines += [f"In brackets 95 % intervals over {table.unit}s.", ""]
    for each in reported:
        lines += [f"Reported in the literature, not measured here: {md(each.title)}", ""]
        lines.append("| " + " | ".join(map(md, each.header)) + " |")
        lines.append("|" + " --- |" * len(each.header))
        lines += ["| " + " | ".join(map(md, row)) + " |" for row in each.rows] + [""]
    return "\n".join(lines)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else "–"


def _md_value(table: Table, view: View, system: str, metric: Metric, truth: bool) -> str:
    cell = view.cells[system][metric.name]
    if cell.value is None:
        return value_text(metric, cell)
    top = best(metric, [view.cells[entry.name][metric.name] for entry in table.systems])
    text = number(metric, cell.value)
    text = f"**{text}**" if cell.value == top and not truth else text
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
                for name, cell in view.cells[entry.name].items():
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
    """A booktabs table: best bold, second underlined, ground truth set apart."""
    metrics = table.columns
    lines = [r"\begin{table}", r"\centering", r"\begin{tabular}{l" + "r" * len(metrics) + "}", r"\toprule"]
    lines.append("System & " + " & ".join(tex(heading(m)) for m in metrics) + r" \\")
    lines.append(r"\midrule")
    tops = {m.name: best(m, [view.cells[e.name][m.name] for e in table.systems]) for m in metrics}
    seconds = {m.name: second(m, [view.cells[e.name][m.name] for e in table.systems]) for m in metrics}
    for entry in board.order(table, view, by):
        values = []
        for metric in metrics:
            cell = view.cells[entry.name][metric.name]
            text = tex(value_text(metric, cell))
            if cell.value is not None and not entry.truth:
                text = rf"\textbf{{{text}}}" if cell.value == tops[metric.name] else text
                text = rf"\underline{{{text}}}" if cell.value == seconds[metric.name] else text
            values.append(text)
        lines.append(f"{tex(entry.name)} & " + " & ".join(values) + r" \\")
        if entry.truth:
            lines.append(r"\midrule")
    caption = f"{table.testset['name']}, scored with {table.protocol['name']} v{table.protocol['version']}."
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{tex(caption)} Best in bold, second underlined.}}"]
    return "\n".join([*lines, r"\end{table}", ""])
