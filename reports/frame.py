"""Results as a pandas data frame, and data frames as CSV: one row a run, protocol and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ttsbench.reports import reasons
from ttsbench.reports.tables import Table
from ttsbench.reports.values import inert

COLUMNS = (
    "system", "testset", "testset_digest", "protocol", "protocol_version", "metric", "metric_version", "unit", "better",
    "value", "low", "high", "mean", "corpus", "median", "scored", "asked", "excess", "excess_low", "excess_high",
    "resampled", "failed", "busy", "busy_value", "by_seed", "reasons", "not_applicable", "equal_to_recording", "run",
)  # fmt: skip


def results_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Every cell of every table, values unscaled (rates as fractions); None where there is no value."""
    rows = []
    for table in tables:
        testset, protocol = table.testset, table.protocol
        for entry in table.entries:
            same = len(reasons.copies(entry))
            for metric in table.metrics:
                cell, excess = entry.cells[metric.name], entry.excess.get(metric.name)
                gap = (excess.value, excess.low, excess.high) if excess else (None, None, None)
                rows.append((
                    entry.name, testset["name"], testset["digest"], protocol["name"], protocol["version"], metric.name,
                    metric.version, metric.unit, metric.better, cell.value, cell.low, cell.high, cell.mean, cell.corpus,
                    cell.median, cell.scored, cell.asked, *gap, table.unit, cell.failed,
                    cell.busy, cell.busy_value, " ".join(map(str, cell.by_seed)),
                    reasons.reasons_text(cell.reasons), cell.na, same, entry.run.path.name,
                ))  # fmt: skip
    return frame(COLUMNS, rows)


def frame(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> pd.DataFrame:
    """A data frame that keeps integers and None as they are."""
    return pd.DataFrame(list(rows), columns=list(columns), dtype=object)


def csv_text(data: pd.DataFrame) -> str:
    """RFC 4180 text in which no cell is a formula; None is an empty cell."""
    return data.map(inert).to_csv(index=False, lineterminator="\r\n")
