"""Comma-separated files in which no cell is a formula."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsbench.exchange import _frames
from ttsbench.reports.sheets import csv_text
from ttsbench.store import Run, write_atomically

ABOUT = "results.csv, a row a number, and rows.csv, a row an utterance and metric"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Write both files into folder `out`."""
    tables = {"results": _frames.results(runs), "rows": _frames.rows(runs)}
    for name, data in tables.items():
        cells = data.astype(object).where(data.notna(), None)
        write_atomically(out / f"{name}.csv", csv_text(list(data), cells.itertuples(index=False)).encode())
    return [out / f"{name}.csv" for name in tables]
