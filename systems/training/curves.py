"""Draws the logged losses of several runs side by side, for docs/training.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsbench.systems.training.trainer import read_log


def draw(panels: Sequence[tuple[str, Path, Sequence[str]]], target: Path) -> None:
    """One panel for each (title, run folder, names of logged numbers), over minutes of wall time; writes a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4 * columns, 2.8 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (title, folder, names) in zip(axes.flat, panels, strict=False):
        log = read_log(folder)
        for name in names:
            points = [(float(row["minutes"]), float(row["value"])) for row in log if row["name"] == name]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o" if name.startswith("eval") else None, ms=3, label=name)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("minutes", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, dpi=90)
    pyplot.close(figure)
