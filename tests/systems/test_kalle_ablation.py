"""KALL-E's ablation: latents in fewer dimensions or at half the rate, and a system that speaks with them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench.records import Sample
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.kalle import ablation
from ttsbench.systems.kalle.ablation import ROWS, Row, change_of
from ttsbench.systems.kalle.data import Clip
from ttsbench.systems.kalle.train import losses


def clips(count: int = 40) -> list[Clip]:
    """Latents with 20 directions in them and little else."""
    rng = np.random.default_rng(0)
    mix, found = rng.normal(size=(20, 96)), []
    for number in range(count):
        frames = int(rng.integers(10, 30))
        mean = rng.normal(size=(frames, 20)) @ mix + 0.01 * rng.normal(size=(frames, 96))
        ends = np.arange(1, 9) * frames / 8
        mel = rng.normal(size=(8 * frames, 100)).astype(np.float32)
        logs = rng.normal(-2, 0.1, (frames, 96)).astype(np.float32)
        found.append(Clip(rng.integers(2, 41, 8), ends, mean.astype(np.float32), logs, mel, f"s{number % 3}"))
    return found


@pytest.mark.parametrize("row", [Row(), Row(dims=24), Row(joined=2), Row(dims=24, joined=2)], ids=str)
def test_a_change_and_back_is_the_latent(row: Row) -> None:
    given = clips()
    change = change_of(given, row)
    mean, logs = (torch.from_numpy(x).float() for x in (given[0].mean, given[0].logs))
    there, spread = change.of(mean[None], logs[None])
    assert there.shape == spread.shape == (1, len(mean) // row.joined, row.dims * row.joined)
    back = change.back(there)[0]
    error = (back - mean[: len(back)]).std() / mean.std()
    assert error < (0.05 if row.dims < 96 else 1e-5)


def test_a_projections_deviation_is_that_of_samples() -> None:
    change = change_of(clips(), Row(dims=24))
    mean, logs = torch.zeros(1, 1, 96), torch.linspace(-3, 0, 96).expand(1, 1, 96)
    there, spread = change.of(mean, logs)
    drawn = torch.randn(1, 20000, 96, generator=torch.Generator().manual_seed(0)) * logs.exp()
    torch.testing.assert_close(spread[0, 0].exp(), change.of(drawn, drawn)[0].std(1)[0], rtol=0.03, atol=0)
    torch.testing.assert_close(there[0, 0], change.of(drawn, drawn)[0].mean(1)[0], rtol=0.1, atol=0.05)


def test_a_row_is_trained_and_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Row(dims=24, joined=2)
    shipped = tmp_path / "shipped"
    shutil.copytree(checkpoints(), shipped)
    monkeypatch.setattr(ablation, "clips_of", lambda corpus, vae, split: clips())
    monkeypatch.setitem(ROWS, "small", small)
    monkeypatch.setattr(ablation, "fit", _two_steps)
    ablation.train(tmp_path, shipped, tmp_path / "out", ["small"], 2)
    system = ablation.Trained(tmp_path / "out", "small")
    sound = np.concatenate(list(system.synthesize(Sample("a", "Seven ships went by."), 1)))
    assert len(sound) % (2 * 1280) == 0  # whole frames of the model, each two of the codec
    assert len(sound)
    assert np.isfinite(sound).all()


def _two_steps(model, pools, folder, minutes, steps, aids):  # type: ignore[no-untyped-def]
    """What `fit` does, in two steps on small batches."""
    from ttsbench.systems import packing
    from ttsbench.systems.kalle.data import batches

    at = batches(pools["train"], columns=100)
    assert all(torch.isfinite(losses(model, at(step), step, replace(aids))["total"]) for step in range(steps))
    folder.mkdir(parents=True)
    packing.save(model.state_dict(), folder / "kalle.safetensors", packing.of_models)
