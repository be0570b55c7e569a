"""Runs as data frames: one row a number, and one row an utterance and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ttsbench.names import parted
from ttsbench.reports import sheets
from ttsbench.reports.tables import tables
from ttsbench.reports.values import scale
from ttsbench.store import Run


def results(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a system, test set, protocol and metric, as in results.csv; rates are fractions."""
    return pd.DataFrame(sheets.results(tables(runs)), columns=list(sheets.COLUMNS), dtype=object)


def rows(runs: Sequence[Run]) -> pd.DataFrame:
    """One row an utterance and metric: what was said, the value, its weight, and why there is none."""
    return pd.DataFrame(row for run in runs for row in _rows(run))


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    samples, spoken = {sample.id: sample for sample in run.samples}, run.syntheses
    about = {"run": run.path.name, "system": run.info["system"]["name"], "testset": run.info["testset"]["name"]}
    for protocol in run.protocols():
        for metric in run.metrics(protocol):
            for score in run.scores(protocol, metric.name):
                sample, row = samples[score.sample], spoken.get(score.sample)
                name, number = parted(score.sample)
                yield {
                    **about,
                    "sample": name,
                    "seed": int(run.info.get("seed", 0)) + number,
                    "language": sample.language,
                    "speaker": sample.speaker,
                    "category": sample.category,
                    "text": sample.text,
                    "seconds": row.seconds if row and not row.error else None,
                    "protocol": protocol,
                    "metric": metric.name,
                    "value": score.value,
                    "weight": score.weight,
                    "error": score.error,
                    "not_applicable": score.na,
                    "busy": score.busy,
                }


def numbers(run: Run) -> dict[str, float]:
    """The headline numbers of a run in the unit that is printed, under protocol/metric; what has none is left out."""
    return {
        f"{table.protocol['name']}/{metric.name}": value * scale(metric)
        for table in tables([run])
        for metric in table.metrics
        if (value := table.entries[0].cells[metric.name].value) is not None
    }


def facts(run: Run) -> dict[str, str | int]:
    """What a run is: system, version, test set with its digest, seeds, device, code."""
    info = run.info
    card, code = info["system"].get("card") or {}, info.get("code") or {}
    return {
        "system": info["system"]["name"],
        "system_version": str(card.get("version", "")),
        "testset": info["testset"]["name"],
        "testset_digest": info["testset"]["digest"],
        "rows": int(info["testset"].get("samples", 0)),
        "failed_rows": sum(bool(row.error) for row in run.syntheses.values()),
        "seed": int(info.get("seed", 0)),
        "seeds": int(info.get("seeds", 1)),
        "device": str(info.get("device", "")),
        "ttsbench": str(code.get("commit") or code.get("version", "")),
    }
