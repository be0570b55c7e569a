"""Tables for a paper: booktabs, who leads alone in bold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsbench.reports import ranking
from ttsbench.reports.leaderboard import formats
from ttsbench.reports.tables import ReportError, tables
from ttsbench.store import Run, write_atomically

ABOUT = "results.tex, a booktabs table for each test set and protocol"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Write results.tex into folder `out`. Raises ReportError where no table has a metric to rank by."""
    found = []
    for table in tables(runs):
        if metrics := ranking.ranked(table):
            found.append(formats.latex(table, ranking.views(table)[0], metrics[0]))
    if not found:
        raise ReportError("no table has a metric that is better high or low: score the runs first")
    write_atomically(out / "results.tex", "\n".join(found).encode())
    return [out / "results.tex"]
