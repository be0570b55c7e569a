"""How much repeated runs of one system differ: measured, and read back for a comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ttsbench.reports.tables import ReportError, find, tables


def spread(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Mean, deviation and limit of every metric over repeated runs. Raises ReportError where they do not match.

    `limit` is the difference between two runs that chance alone exceeds once in a hundred times:
    t(0.995, runs - 1) * sqrt(2) * deviation, after ISO 5725-6's repeatability limit.
    """
    found = []
    for table in tables(find(paths)):
        systems = table.systems
        if len({entry.card["name"] for entry in systems}) > 1:
            raise ReportError(f"calibrate takes runs of one system, not of {', '.join(e.name for e in systems)}")
        for metric in table.metrics:
            values = [v for e in systems if (v := e.cells[metric.name].value) is not None]
            if len(values) < 2:
                continue
            deviation = float(np.std(values, ddof=1))
            limit = float(stdtrit(len(values) - 1, 0.995)) * 2**0.5 * deviation
            found.append({
                "testset": table.testset["name"], "protocol": table.protocol["name"], "metric": metric.name,
                "runs": len(values), "mean": float(np.mean(values)), "deviation": deviation, "limit": limit,
            })  # fmt: skip
    if not found:
        raise ReportError("calibrate needs at least two scored runs of one system on one test set")
    return found


def load(path: Path) -> dict[tuple[str, str, str], float]:
    """(test set, protocol, metric) -> the largest difference that repeated runs of one system show by chance."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())["spread"]
        return {(row["testset"], row["protocol"], row["metric"]): float(row["limit"]) for row in rows}
    except FileNotFoundError as fault:
        raise ReportError(f"{path}: no such calibration file; make one with `ttsbench calibrate`") from fault
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
        raise ReportError(f"{path}: not a calibration file ({fault})") from fault
