"""Paraformer-zh by FunASR (optional), without voice activity detection or punctuation model, as Seed uses it.

Its output is known to change a little with batch composition, so each file goes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, version
from ttsbench.metrics.recognisers.guards import flags
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
LANGUAGES = ("zh",)
LONGEST = 600.0


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity("paraformer-zh"), "version": f"funasr {version('funasr')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `text` (characters apart, as the model writes) and `flags`."""
    place = weights.find("paraformer-zh")
    try:
        from funasr import AutoModel
    except ImportError as fault:
        raise MissingModel(f"Chinese needs FunASR: pip install funasr ({fault})") from fault

    model = AutoModel(model=str(place), device=device, disable_update=True, disable_pbar=True)
    how = settings.get("resampling", "soxr")

    def transcribe(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)
        text = str(model.generate(input=samples, fs=RATE, batch_size_s=300)[0]["text"])
        return {"text": text, "flags": flags(text, len(samples) / RATE, LONGEST)}

    return one_by_one(transcribe)
