"""Runs in the formats of others: each is read back with its own tool."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ttsbench
from ttsbench import cli, exchange
from ttsbench.errors import UserError
from ttsbench.store import Run

TONE = """
import numpy as np
from ttsbench.records import Card

class Tone:
    card = Card("tone & co", version="7", price=10.0, price_source="its page")

    def synthesize(self, sample, seed):
        if sample.text.startswith("The"):
            raise RuntimeError("no")
        yield np.tile(np.float32([0.1, -0.1]), 8000 + seed % 999)
"""


def needs(*packages: str) -> pytest.MarkDecorator:
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A system with two seeds and its ground truth, scored for timing and length."""
    place = tmp_path_factory.mktemp("export")
    (place / "tone.py").write_text(TONE)
    words = ["--testset", "seed-mini", "--limit", "4", "--seeds", "2", "--metrics", "rtf,length-ratio"]
    system = f"python:{place / 'tone.py'}:Tone"
    cli.main(["run", "--system", system, "--out", str(place / "runs"), "--shared-machine", *words])
    return sorted(path.parent for path in (place / "runs").glob("*/run.json"))


def test_every_format_is_offered_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"csv", "parquet", "latex", "model-index", "mlflow", "wandb", "open-tts"} <= set(exchange.names())
    with pytest.raises(UserError, match="did you mean 'parquet'"):
        exchange.format_named("parket")


def test_csv_and_frames(runs: list[Path], tmp_path: Path) -> None:
    assert cli.main(["export", *map(str, runs), "--to", "csv", "--out", str(tmp_path)]) == 0
    rows = pd.read_csv(tmp_path / "rows.csv")
    tone = rows[rows.system == "tone & co"]
    assert set(tone.metric) == {"rtf", "length-ratio", "cost"} and sorted(set(tone.seed)) == [0, 1]
    assert tone["sample"].nunique() == 4 and len(tone) == 3 * 8
    results = ttsbench.frame(runs)
    assert list(results.columns) == list(pd.read_csv(tmp_path / "results.csv").columns)
    mine = results[(results.system == "tone & co") & (results.metric == "cost")].iloc[0]
    good = tone[(tone.metric == "cost") & tone.error.isna()]
    assert mine.value == pytest.approx((good.value * good.weight).sum() / good.weight.sum(), rel=1e-6)


@needs("pyarrow")
def test_parquet_keeps_types(runs: list[Path], tmp_path: Path) -> None:
    ttsbench.export(runs, "parquet", tmp_path)
    rows, results = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("rows", "results"))
    assert rows.value.dtype == "float64" and rows.seed.dtype == "int64" and rows.busy.dtype == bool
    assert results.asked.dtype == "int64" and results.value.dtype == "float64"


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_says_what_it_needs(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pip install pyarrow"):
        ttsbench.export(runs, "parquet", tmp_path)


def test_latex(runs: list[Path], tmp_path: Path) -> None:
    [file] = ttsbench.export(runs, "latex", tmp_path)
    text = file.read_text()
    assert r"\toprule" in text and r"tone \& co" in text and "Cost" in text


@needs("huggingface_hub")
def test_model_index_is_what_the_hub_reads(runs: list[Path], tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    [file] = ttsbench.export(runs, "model-index", tmp_path)
    card = ModelCard(f"---\n{file.read_text()}---\n\n# tone\n")
    found = {result.metric_type: result for result in card.data.eval_results or []}
    assert card.data.model_name == "tone & co" and set(found) == {"rtf", "cost"}  # a ratio of lengths is no result
    cost = found["cost"]
    assert cost.task_type == "text-to-speech" and cost.dataset_type == "seed-mini-sample4-2seeds"
    assert cost.dataset_config == "en" and cost.metric_name == "Cost (USD/h)" and cost.metric_args is not None
    assert cost.metric_args["asked"] == 8 and cost.metric_args["protocol"] == "embedded"


@needs("mlflow")
def test_mlflow(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = importlib.import_module("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "tracking").as_uri())
    ttsbench.export(runs, "mlflow", tmp_path / "out")
    found = mlflow.search_runs(experiment_names=["ttsbench"])
    assert len(found) == 2
    tone = found[found["params.system"] == "tone & co"].iloc[0]
    assert tone["params.system_version"] == "7" and tone["params.seeds"] == "2"
    assert tone["metrics.embedded/cost"] == pytest.approx(_value(runs, "cost"), rel=1e-6)


@needs("wandb")
def test_wandb_offline(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folders = ttsbench.export(runs, "wandb", tmp_path / "out")
    assert len(folders) == 2 and all(list(folder.glob("run-*.wandb")) for folder in folders)
    until, written = time.monotonic() + 60, b""
    while b"embedded/cost" not in written and time.monotonic() < until:  # the client's service writes behind our back
        time.sleep(0.2)
        written = b"".join(path.read_bytes() for path in folders[-1].glob("*.wandb"))
    assert b"embedded/cost" in written and b"tone" in written


def _value(runs: list[Path], metric: str) -> float:
    [run] = [Run.open(path) for path in runs if "tone" in path.name]
    rows = [json.loads(line) for line in (run.path / "scores/embedded" / f"{metric}.jsonl").read_text().splitlines()]
    good = [row for row in rows if row.get("value") is not None]
    return sum(row["value"] * row["weight"] for row in good) / sum(row["weight"] for row in good)
