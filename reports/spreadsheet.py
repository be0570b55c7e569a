"""results.csv: one row per run, protocol and metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsbench.reports import reasons
from ttsbench.reports.tables import Table
from ttsbench.reports.values import csv_text

HEADER = (
    "system", "testset", "testset_digest", "protocol", "protocol_version", "metric", "metric_version", "unit", "better",
    "value", "low", "high", "mean", "corpus", "median", "scored", "asked", "excess", "excess_low", "excess_high",
    "resampled", "failed", "reasons", "not_applicable", "equal_to_recording", "run",
)  # fmt: skip


def results_csv(tables: Sequence[Table]) -> str:
    """Every cell of every table, values unscaled (rates as fractions)."""
    rows = []
    for table in tables:
        testset, protocol = table.testset, table.protocol
        same = {entry.name: len(reasons.copies(entry)) for entry in table.entries}
        for entry in table.entries:
            for metric in table.metrics:
                cell, excess = entry.cells[metric.name], entry.excess.get(metric.name)
                gap = (excess.value, excess.low, excess.high) if excess else (None, None, None)
                rows.append((
                    entry.name, testset["name"], testset["digest"], protocol["name"], protocol["version"], metric.name,
                    metric.version, metric.unit, metric.better, cell.value, cell.low, cell.high, cell.mean, cell.corpus,
                    cell.median, cell.scored, cell.asked, *gap, table.unit, cell.failed,
                    reasons.reasons_text(cell.reasons), cell.na, same[entry.name], entry.run.path.name,
                ))  # fmt: skip
    return csv_text(HEADER, rows)


def write_results(tables: Sequence[Table], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(results_csv(tables), encoding="utf-8", newline="")
