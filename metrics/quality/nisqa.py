"""NISQA v2.0 (Mittag et al. 2021) through torchmetrics, with the weights file from our own folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, short, version
from ttsbench.records import Feature, Request

BATCH = 4
LANGUAGES: tuple[str, ...] = ()
NAMES = ("mos", "noisiness", "discontinuity", "coloration", "loudness")


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights and package version."""
    return {**weights.identity("nisqa"), "version": f"torchmetrics {version('torchmetrics')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: `mos`, `noisiness`, `discontinuity`, `coloration`, `loudness`, each about 1 to 5."""
    place = weights.find("nisqa")
    try:
        import torch
        from torchmetrics.functional.audio import nisqa
    except ImportError as fault:
        raise MissingModel(f"NISQA needs torchmetrics: pip install 'ttsbench[paper]' ({fault})") from fault

    from ttsbench import audio

    nisqa.NISQA_DIR = str(place)  # else torchmetrics looks in the home folder, and downloads

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples, rate = audio.read(request.audio, start=request.start)
        wave = torch.from_numpy(samples.copy())
        found = nisqa.non_intrusive_speech_quality_assessment(wave, rate)
        return {name: short(float(value)) for name, value in zip(NAMES, found, strict=True)}

    return one_by_one(measure)
