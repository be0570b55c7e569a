"""Reports: terminal table, results.csv, report.html, leaderboard, comparison, listening tests.

Tables are read once, by `load`, and handed to whatever writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ttsbench.reports import terminal
from ttsbench.reports.tables import Table, find
from ttsbench.reports.tables import tables as tables_of
from ttsbench.store import write_atomically


def load(runs: Sequence[Path | str], labels: Mapping[str, str] | None = None) -> list[Table]:
    """The tables of run folders, or folders of them: one a test set and protocol. Raises ReportError without scores.

    `labels`: what systems, by name or run folder, are called.
    """
    return tables_of(find(runs), labels)


def write_report(
    tables: Sequence[Table], out: Path, note: Callable[[int, int, str], None] | None = None, title: str = ""
) -> Path:
    """Write report.html and results.csv into folder `out`; `note(done, total, what)` follows the clips. The page.

    `title`: its heading; "" for the names of the systems.
    """
    from ttsbench.reports import report_page, sheets  # Pillow and Jinja, needed for a page alone

    write_atomically(out / "results.csv", sheets.csv_text(sheets.COLUMNS, sheets.results(tables)).encode())
    return report_page.write_page(tables, out, note=note, title=title)


def print_tables(tables: Sequence[Table]) -> None:
    """Print one table per test set and protocol to standard output."""
    terminal.print_tables(tables)


def results(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Every cell as plain data: system, testset, protocol, metric, and the fields of records.Cell."""
    return [
        {
            "system": entry.name,
            "testset": table.testset["name"],
            "protocol": table.protocol["name"],
            "protocol_version": table.protocol["version"],
            "resampled": table.unit,
            **asdict(cell),
        }
        for table in tables
        for entry in table.entries
        for cell in entry.cells.values()
    ]


def failures(tables: Sequence[Table]) -> dict[str, int]:
    """Run folder name to the number of rows without usable speech; runs without such rows are left out."""
    found = {}
    for table in tables:
        for entry in table.entries:
            count = sum(1 for row in entry.syntheses.values() if row.error)
            if count and not entry.truth:
                found[entry.run.path.name] = count
    return found
