"""wavlm-base-plus-sv: WavLM base plus with x-vectors, from transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
LANGUAGES: tuple[str, ...] = ()
LONGEST = 120.0
SHORTEST = 8000  # samples; the x-vector layers need some 17 frames
NAME = "wavlm-base-plus-sv"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(NAME), "version": f"transformers {version('transformers')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: vectors of 512 values, one file at a time."""
    place = weights.find(NAME)
    try:
        import torch
        from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector
    except ImportError as fault:
        raise MissingModel(f"{NAME} needs transformers: pip install 'ttsbench[paper]' ({fault})") from fault

    model = WavLMForXVector.from_pretrained(place, dtype=torch.float32, local_files_only=True).eval()
    torch.nn.Module.to(model, device)
    prepare = Wav2Vec2FeatureExtractor.from_pretrained(place, local_files_only=True)
    how = settings.get("resampling", "soxr")

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)[: round(LONGEST * RATE)]
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.2f} s is too short for a speaker vector")
        inputs = prepare(samples, sampling_rate=RATE, return_tensors="pt").input_values
        return pack(model(inputs.to(device)).embeddings[0].cpu().numpy())

    return one_by_one(measure)
