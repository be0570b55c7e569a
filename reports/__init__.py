"""Reports: terminal table, results.csv, report.html, leaderboard, regression gate, rating sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_report(runs: Sequence[Path], out: Path) -> None:
    """Write report.html and results.csv of `runs` (run folders, or folders of them) into folder `out`."""
    from ttsbench.reports import page, spreadsheet, tables

    found = tables.tables(tables.find(runs))
    out.mkdir(parents=True, exist_ok=True)
    spreadsheet.write_results(found, out / "results.csv")
    page.write_page(found, out)


def print_table(runs: Sequence[Path]) -> None:
    """Print one table per test set and protocol to standard output."""
    from ttsbench.reports import table, tables

    table.print_tables(tables.tables(tables.find(runs)))


def results(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Every cell as plain data: system, testset, protocol, metric, and the fields of records.Cell."""
    from dataclasses import asdict

    from ttsbench.reports import tables

    return [
        {
            "system": entry.name,
            "testset": table.testset["name"],
            "protocol": table.protocol["name"],
            "protocol_version": table.protocol["version"],
            "resampled": table.unit,
            **asdict(cell),
        }
        for table in tables.tables(tables.find(runs))
        for entry in table.entries
        for cell in entry.cells.values()
    ]


def failures(runs: Sequence[Path]) -> dict[str, int]:
    """Run folder name to the number of rows without usable speech; runs without such rows are left out."""
    from ttsbench.reports import tables

    found = {}
    for run in tables.find(runs):
        count = sum(1 for row in run.syntheses.values() if row.error)
        if count and not tables.is_truth(run):
            found[run.path.name] = count
    return found
