"""Draws the logged losses of a run, or of several side by side for docs/measurements/training.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.systems.training.log import read_log


def plot(folder: Path) -> None:
    """curve.png: every logged number of a run over steps."""
    pyplot = _pyplot()
    log = read_log(folder)
    figure, axes = pyplot.subplots(figsize=(7, 4))
    _lines(axes, log, "step", list(dict.fromkeys(row["name"] for row in log)))
    figure.savefig(folder / "curve.png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def draw(panels: Sequence[tuple[str, Path, Sequence[str]]], target: Path) -> None:
    """One panel for each (title, run folder, names of logged numbers), over minutes of wall time; writes a PNG."""
    pyplot = _pyplot()
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4 * columns, 2.8 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (title, folder, names) in zip(axes.flat, panels, strict=False):
        _lines(axis, read_log(folder), "minutes", names)
        axis.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(target, dpi=90)
    pyplot.close(figure)


def _lines(axis: Any, log: list[dict[str, str]], over: str, names: Sequence[str]) -> None:
    for name in names:
        points = [(float(row[over]), float(row["value"])) for row in log if row["name"] == name]
        if points:
            marker = "o" if name.startswith("eval") else None
            axis.plot(*zip(*points, strict=True), marker=marker, markersize=3, linewidth=1, label=name)
    axis.set_xlabel(over, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
