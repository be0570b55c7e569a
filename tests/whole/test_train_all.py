"""The training of everything in one command: corpus to bits and back, and a rehearsal from end to end."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ttsbench.systems.kalle.system import _vocabulary
from ttsbench.systems.text.phones import PHONES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bits(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    return importlib.import_module("bits")


def test_numbers_take_the_bits_they_need(bits: ModuleType) -> None:
    widths = (4, 4, 3, 2, 1)
    rows = np.random.default_rng(0).integers(0, 2 ** np.array(widths), (1001, 5))
    packed = bits.to_bits(rows, widths)
    assert len(packed) == -(-1001 * sum(widths) // 8)
    assert (bits.from_bits(packed, widths, 1001) == rows).all()


def test_latents_in_six_bits_are_near(bits: ModuleType) -> None:
    latents = np.random.default_rng(0).normal(2.0, 3.0, (500, 96))
    mean, deviation = latents.mean(0), latents.std(0)
    again = bits.from_steps(bits.to_steps(latents, mean, deviation), mean, deviation)
    error = np.abs(again - latents) / deviation
    assert np.median(error) < 0.04 and (error[np.abs(latents - mean) < 4 * deviation] <= 0.0626).all()


@pytest.mark.slow
def test_the_rehearsal_brings_weights_back(tmp_path: Path) -> None:
    order = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "train_all.py"), "rehearse", "--device", "cpu"]
    order += ["--out", str(tmp_path)]
    done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    systems, codecs = {"mobilespeech", "kalle", "livespeech", "llasa"}, {"vocoder", "codec-fsq", "codec-flowvae"}
    for part, names, runs in (
        ("recordings", codecs, set[str]()),  # two steps without a judge log nothing
        ("codes", systems | {"vocoder", "codec-fsq"}, systems),
    ):
        out = tmp_path / part
        assert {path.stem for path in out.glob("*.safetensors")} == names
        assert all(0 < path.stat().st_size < 16 * 2**20 for path in out.iterdir())
        assert {line.split(",")[0] for line in (out / "log.csv").read_text().splitlines()[1:]} == runs
    assert _vocabulary(tmp_path / "codes" / "kalle.safetensors") == len(PHONES) + 1  # the corpus holds Mandarin
