"""emotion2vec+ large by FunASR (optional): one vector an utterance, for emotion similarity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
NAME = "emotion2vec-plus-large"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(NAME), "version": f"funasr {version('funasr')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: utterance vectors."""
    place = weights.find(NAME)
    try:
        from funasr import AutoModel
    except ImportError as fault:
        raise MissingModel(f"emotion similarity needs FunASR: pip install funasr ({fault})") from fault

    model = AutoModel(model=str(place), device=device, disable_update=True, disable_pbar=True)
    how = settings.get("resampling", "soxr")

    def measure(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)
        found = model.generate(input=samples, fs=RATE, granularity="utterance", extract_embedding=True)[0]
        return pack(found["feats"])

    return one_by_one(measure)
