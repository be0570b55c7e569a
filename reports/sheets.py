"""Results as rows, one a run, protocol and metric; rows as CSV. Without pandas: it takes half a second to import."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ttsbench.reports import reasons
from ttsbench.reports.tables import Table
from ttsbench.reports.values import inert

COLUMNS = (
    "system", "testset", "testset_digest", "protocol", "protocol_version", "metric", "metric_version", "unit", "better",
    "value", "low", "high", "mean", "corpus", "median", "scored", "asked", "excess", "excess_low", "excess_high",
    "resampled", "failed", "busy", "busy_value", "by_seed", "reasons", "not_applicable", "equal_to_recording", "run",
)  # fmt: skip


def results(tables: Sequence[Table]) -> list[tuple[object, ...]]:
    """Every cell of every table under COLUMNS, values unscaled (rates as fractions); None where there is no value."""
    rows: list[tuple[object, ...]] = []
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
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180 text in which no cell is a formula; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([columns, *([inert(cell) for cell in row] for row in rows)])
    return out.getvalue()
