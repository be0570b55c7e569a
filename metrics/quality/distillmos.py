"""DistillMOS (Stahl, Gamper: Distillation and Pruning for Scalable Self-Supervised Speech Quality Assessment, 2025).

The network and its weights are those of Microsoft's package `distillmos`. It hears 7.68 s at a time: shorter files are
padded with zeros at the end, longer ones are covered by windows at most one second apart, whose mean is the score. Each
window's level is brought to a peak of 1 inside the network, so loudness does not count. Predicted MOS, 1 to 5.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, short, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 8
RATE = 16000
NAME = "distillmos"
SHORTEST = RATE // 20  # samples
LENGTH = 122880  # samples of a window
HOP = RATE  # samples between windows, at most


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(NAME), "version": version("distillmos"), **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features `{"distillmos": ...}`. Setting: resampling."""
    weights.find(NAME)
    try:
        import torch
        from distillmos import ConvTransformerSQAModel
    except ImportError as fault:
        raise MissingModel(f"DistillMOS needs its package: pip install 'ttsbench[judges]' ({fault})") from fault

    with contextlib.redirect_stdout(io.StringIO()):  # it prints where the weights lie
        model = ConvTransformerSQAModel().to(device).eval()
    how = settings.get("resampling", "soxr")

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is too short to judge")
        wave = torch.from_numpy(samples.copy())[None].to(device)
        # one window at a time: equal to the package's, which hears all of a file at once, and a third faster on the CPU
        found = [float(model(wave[:, start : start + LENGTH])) for start in starts(len(samples))]
        return {"distillmos": short(sum(found) / len(found))}

    return one_by_one(measure)


def starts(samples: int) -> list[int]:
    """First samples of the windows, evenly spread so that the last ends with the file."""
    import numpy as np

    over = max(0, samples - LENGTH)
    return [int(share * over) for share in np.linspace(0, 1, -(-over // HOP) + 1)]
