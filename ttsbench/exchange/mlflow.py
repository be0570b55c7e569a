"""MLflow: a run for each run folder, through MLflow's own client, at its own MLFLOW_TRACKING_URI."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.exchange import _frames, csv
from ttsbench.store import Run

ABOUT = "runs of experiment `ttsbench` at MLFLOW_TRACKING_URI: parameters, numbers, tables (needs mlflow)"
EXPERIMENT = "ttsbench"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Log each run; its tables go along, and are left in folder `out`. Raises UserError where there is no client."""
    if importlib.util.find_spec("mlflow") is None:
        raise UserError("--to mlflow needs its client: python -m pip install mlflow-skinny")
    client = importlib.import_module("mlflow")
    client.set_experiment(EXPERIMENT)
    files = []
    for run in runs:
        tables = csv.write([run], out / run.path.name)
        with client.start_run(run_name=run.path.name):
            client.log_params(_frames.facts(run))
            client.log_metrics(_frames.numbers(run))
            for file in tables:
                client.log_artifact(str(file))
        files += tables
    return files
