"""log.csv of a training: one row per number, so that a run can gain columns."""

from __future__ import annotations

import csv
from pathlib import Path

FIELDS = ("step", "minutes", "lr", "name", "value")


def add(folder: Path, step: int, seconds: float, rate: float, numbers: dict[str, float]) -> None:
    """Append the numbers of a step; `rate` is its learning rate, 0 where the numbers are an evaluation."""
    at = {"step": str(step), "minutes": f"{seconds / 60:.3f}", "lr": f"{rate:.3e}"}
    _write(folder / "log.csv", [{**at, "name": name, "value": f"{value:.6f}"} for name, value in numbers.items()], "a")


def cut(folder: Path, step: int) -> None:
    """Drop what was logged after `step`: a run that goes on from there logs it again."""
    if rows := read_log(folder):
        _write(folder / "log.csv", [row for row in rows if int(row["step"]) <= step], "w")


def _write(path: Path, rows: list[dict[str, str]], mode: str) -> None:
    fresh = mode == "w" or not path.is_file()
    with path.open(mode, newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, FIELDS)
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


def read_log(folder: Path) -> list[dict[str, str]]:
    """The rows of log.csv: step, minutes, lr, name, value; [] where there is none."""
    path = folder / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row.get("value")]
