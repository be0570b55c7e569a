"""The hub's `model-index`: the block of results in the head of a model's card.

Source: https://huggingface.co/docs/hub/model-cards, and `huggingface_hub.EvalResult`, which writes it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ttsbench.errors import UserError
from ttsbench.reports.tables import Entry, Table, tables
from ttsbench.reports.values import scale
from ttsbench.store import Run, write_atomically

ABOUT = "NAME.yaml for each system: the model-index block of a card on the Hugging Face hub (needs huggingface-hub)"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Write a file a system into folder `out`. Raises UserError where huggingface-hub is not installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UserError("--to model-index needs huggingface-hub: python -m pip install huggingface-hub")
    from huggingface_hub import EvalResult, ModelCardData

    systems: dict[str, list[Any]] = {}
    for table in tables(runs):
        for entry in table.systems:
            systems.setdefault(entry.name, []).extend(EvalResult(**each) for each in _results(table, entry))
    if not any(systems.values()):
        raise UserError("no system has a number to write: score the runs first")
    files = []
    for name, results in systems.items():
        path = out / f"{name.replace('/', '-')}.yaml"
        write_atomically(path, ModelCardData(model_name=name, eval_results=results).to_yaml().encode() + b"\n")
        files.append(path)
    return files


def _results(table: Table, entry: Entry) -> Iterator[dict[str, Any]]:
    """The numbers of a system, in the unit that is printed, with the protocol and the interval beside."""
    languages = sorted({sample.language for sample in table.samples})
    for metric in table.metrics:
        cell = entry.cells[metric.name]
        if cell.value is None or metric.better == "neither":
            continue
        factor, about = scale(metric), {"protocol": table.protocol["name"], "version": table.protocol["version"]}
        if cell.low is not None and cell.high is not None:
            about["interval_95"] = [round(factor * bound, 4) for bound in (cell.low, cell.high)]
        yield {
            "task_type": "text-to-speech",
            "task_name": "Text-to-Speech",
            "dataset_type": table.testset["name"],
            "dataset_name": table.testset["name"],
            "dataset_config": ",".join(languages),
            "dataset_revision": table.testset["digest"],
            "metric_type": metric.name,
            "metric_name": metric.title + (f" ({metric.unit})" if metric.unit else ""),
            "metric_value": round(factor * cell.value, 4),
            "metric_args": {**about, "scored": cell.scored, "asked": cell.asked},
        }
