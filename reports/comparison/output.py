"""A comparison as text: terminal, Markdown, JUnit XML, JSON."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as ET

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttsbench.reports import markdown as md
from ttsbench.reports.comparison.result import MARKS, Comparison, Row
from ttsbench.reports.tables import plain
from ttsbench.reports.values import heading, interval, number, p_value


def figures(row: Row) -> dict[str, str]:
    """before, after, difference and interval as printed."""
    d = row.difference
    if d is None:
        return {"before": row.unjudged[0], "after": row.unjudged[1], "difference": "", "interval": ""}
    if row.metric.name == "failures":
        return {
            "before": f"{d.before:g}",
            "after": f"{d.after:g}",
            "difference": f"{d.value:+g}".replace("-", "−") if d.value else "±0",
            "interval": "",
        }
    change = number(row.metric, d.value, sign=True)
    spread = interval(row.metric, d.low, d.high)
    if d.ratio is not None:
        change = f"{d.ratio:.2f}x"
        spread = f"{d.ratio_low:.2f} to {d.ratio_high:.2f}" if d.ratio_low is not None else ""
    return {"before": number(row.metric, d.before), "after": number(row.metric, d.after), "difference": change,
            "interval": spread}  # fmt: skip


def print_comparison(found: Comparison) -> None:
    """The table with its marks, the worst utterances of every regression, and the legend."""
    console = Console(highlight=False)
    if not console.is_terminal:  # a log has no width
        console.width = 120
    right = ("before", "after", "difference", "95 % interval")
    colours = {"+": "red", "!": "red", "-": "green", "*": "green", "x": "yellow", "~": "", "=": "dim", "o": "dim"}
    groups = dict.fromkeys((row.where, row.protocol) for row in found.rows)
    for group in groups:
        out = Table(box=box.SIMPLE_HEAD, title=Text(plain(" ".join(group).strip())), title_justify="left")
        for name in ("", "metric", *right, "verdict"):
            out.add_column(name, justify="right" if name in right else "left")
        for row in found.rows:
            if (row.where, row.protocol) == group:
                cells = figures(row)
                texts = (row.mark, heading(row.metric), *[cells[name.split()[-1]] for name in right], row.said)
                out.add_row(*[Text(plain(text), style=colours[row.mark]) for text in texts])
        console.print(out)
    for row in found.regressions:
        worst, gone = [each.sample.id for each in row.worse[:5]], list(row.failing[:5])
        if worst:
            console.print(Text(f"{row.metric.title} {found.went} most on: {', '.join(map(plain, worst))}"))
        elif gone:
            more = f" and {len(row.failing) - 5} more" if len(row.failing) > 5 else ""
            console.print(Text(f"{row.metric.title} newly fails on: {', '.join(map(plain, gone))}{more}"))
    console.print(Text("   ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items()), style="dim"))
    for note in found.notes:
        console.print(Text(f"note: {plain(note)}"))


def _strong(text: str) -> str:
    return f"**{text}**" if text else ""


def facts(row: Row) -> str:
    """What is known of a row, in one line: values, interval, p with its test, threshold, and the reason."""
    cells = figures(row)
    parts = [
        f"{cells['before']} to {cells['after']}" if cells["before"] else "",
        f"difference {cells['difference']}" if cells["difference"] else "",
        f"95 % interval {cells['interval']}" if cells["interval"] else "",
        f"p {p_value(row.p)} ({row.test})" if row.tested else "",
        f"threshold {row.threshold}" if row.difference else "",
        row.said,
    ]
    return ", ".join(filter(None, parts))


def markdown(found: Comparison) -> str:
    """For a pull-request comment or a GitHub step summary."""
    sign = "✅" if found.passed else "❌"
    rows = []
    for row in found.rows:
        cells = figures(row)
        name = md.escaped(f"{row.where} {row.protocol} {heading(row.metric)}")
        shown = [cells["difference"], cells["interval"], md.escaped(row.said)]
        if found.fails(row):
            shown = [_strong(shown[0]), shown[1], _strong(shown[2])]
        rows.append([md.code(row.mark), name, cells["before"], cells["after"], *shown])
    header = ("", "metric", "before", "after", "difference", "95 % interval", "verdict")
    lines = [f"### {sign} {md.escaped(found.sentence())}", ""]
    lines.append(md.table(header, (False, False, True, True, True, True, False), rows))
    for row in found.regressions:
        if row.worse or row.failing:
            lines += [
                "",
                f"<details><summary>{html.escape(row.metric.title)}: the utterances that {found.went}</summary>",
                "",
            ]
            lines += [f"- {md.code(each.sample.id)} {md.escaped(each.sample.text[:200])}" for each in row.worse]
            if row.failing:
                more = f" and {len(row.failing) - 20} more" if len(row.failing) > 20 else ""
                lines.append(f"No number any more: {', '.join(map(md.code, row.failing[:20]))}{more}")
            lines += ["", "</details>"]
    rule = f"False alarms: at most {100 * found.alpha:g} % of comparisons of unchanged systems (Holm over all metrics)."
    lines += ["", "The same audio: a change beyond its threshold fails in either direction." if found.same else rule]
    return "\n".join([*lines, ""])


def junit(found: Comparison) -> str:
    """JUnit XML: a failure a regression, a skip a row that cannot be compared, an error a whole run that cannot."""
    skipped = [row for row in found.rows if row.mark == "x"]
    counts = {
        "tests": len(found.rows) + len(found.void), "failures": len(found.regressions), "skipped": len(skipped),
        "errors": len(found.void),
    }  # fmt: skip
    suite = ET.Element("testsuite", {"name": "ttsbench compare", **{key: str(n) for key, n in counts.items()}})
    for row in found.rows:
        where = plain(f"{row.where}.{row.protocol or 'run'}")
        case = ET.SubElement(suite, "testcase", classname=where, name=row.metric.name)
        text = facts(row)
        if found.fails(row):
            names = list(row.failing) if row.mark == "!" else [each.sample.id for each in row.worse]
            failure = ET.SubElement(case, "failure", message=plain(f"{row.metric.title} is {row.verdict}"))
            failure.text = plain(text + ("; rows: " + ", ".join(names[:20]) if names else ""))
        elif row.mark == "x":
            ET.SubElement(case, "skipped", message=plain(row.reason))
        else:
            ET.SubElement(case, "system-out").text = plain(text)
    for run in found.void:
        case = ET.SubElement(suite, "testcase", classname="run", name=plain(run.partition(" ")[0]))
        ET.SubElement(case, "error", message=plain(f"nothing could be compared of {run}"))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def plain_data(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON-able data."""
    rows = []
    for row in found.rows:
        rows.append({
            "system": row.system, "testset": row.testset, "protocol": row.protocol, "metric": row.metric.name,
            "mark": row.mark, "verdict": row.verdict, "regressed": found.fails(row), "p": row.p,
            "test": row.test, "can_show": row.can_show, "threshold": str(row.threshold), "reason": row.reason,
            "difference": asdict(row.difference) if row.difference else None,
            "worse": [each.sample.id for each in row.worse], "failing": list(row.failing),
        })  # fmt: skip
    return {"base": found.base, "new": found.new, "alpha": found.alpha, "regressed": bool(found.regressions),
            "void": list(found.void), "sentence": found.sentence(), "rows": rows, "notes": found.notes}  # fmt: skip
