"""Weights & Biases: a run for each run folder, through its own client; WANDB_MODE=offline keeps it on this machine."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.exchange import _frames
from ttsbench.store import Run

ABOUT = "runs of project `ttsbench` in Weights & Biases: settings, numbers, a table of rows (needs wandb)"
PROJECT = "ttsbench"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Log each run; the client's own files lie below `out`. Raises UserError where there is no client."""
    if importlib.util.find_spec("wandb") is None:
        raise UserError("--to wandb needs its client: python -m pip install wandb")
    client = importlib.import_module("wandb")
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for run in runs:
        logged = client.init(
            project=PROJECT, name=run.path.name, config=_frames.facts(run), dir=str(out), job_type="ttsbench"
        )
        logged.summary.update(_frames.numbers(run))
        logged.log({"rows": client.Table(dataframe=_frames.rows([run]))})
        files.append(Path(logged.dir).parent)
        logged.finish()
    return files
