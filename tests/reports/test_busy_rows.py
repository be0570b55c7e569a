"""Rows that were timed on a busy machine, in the terminal, on the page and in the comparison."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttsbench import reports
from ttsbench.records import Cell
from ttsbench.reports.comparison import judge
from ttsbench.reports.comparison.output import figures
from ttsbench.reports.leaderboard import entries
from ttsbench.store import Run, write_lines


def marked(path: Path, which: range) -> Path:
    rows = Run.open(path).scores("embedded", "rtf")
    some = [replace(s, busy=True, detail={"others": 0.25 + i / 100}) if i in which else s for i, s in enumerate(rows)]
    write_lines(path / "scores" / "embedded" / "rtf.jsonl", some)
    return path


def test_terminal_page_and_comparison_say_how_many(make_run: Any, tmp_path: Path, capsys: Any) -> None:
    some, every = marked(make_run(tmp_path, "some"), range(5)), marked(make_run(tmp_path, "every"), range(20))
    tables = reports.load([some, every])
    reports.print_tables(tables)
    told = capsys.readouterr().out
    assert "5 of 20 rows were timed while other programs used 25 to 29 % of the machine" in " ".join(told.split())
    reports.write_report(tables, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert (
        "busy 5 of 20" in page and "busy 20 of 20" in page and "20 of 20 rows were timed while other programs" in page
    )
    cells: dict[str, Cell] = {entry.name: entry.cells["rtf"] for entry in tables[0].entries}
    assert cells["some"].value and cells["every"].value is None
    row = next(r for r in judge.compare([some], [every]).rows if r.metric.name == "rtf")
    assert row.mark == "x" and "NEW timed while other programs used the machine" in row.reason
    shown = figures(row)
    assert shown["before"] and re.fullmatch(r"\(\d\.\d{3}\)", shown["after"]) and not shown["difference"]


def test_a_leaderboard_keeps_the_marks(make_run: Any, tmp_path: Path) -> None:
    run = marked(make_run(tmp_path, "some", sound=False), range(5))
    entries.add([run], tmp_path / "board")
    kept, own = entries.load(tmp_path / "board")[0].entries[0].cells, reports.load([run])[0].entries[0].cells
    assert kept["rtf"] == own["rtf"] and kept["rtf"].busy == 5
