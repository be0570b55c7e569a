"""CTC recognisers of transformers, HuBERT large and wav2vec 2.0 base: greedy decoding without a language model.

One file at a time: padding would change the group norm of the first layer, and with it the letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, version
from ttsbench.metrics.recognisers.guards import flags
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
LONGEST = 120.0  # seconds; attention over more does not fit into memory
SHORTEST = 400  # samples; one frame


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {
        **weights.identity(settings["model"]),
        "version": f"transformers {version('transformers')}",
        "decoding": "argmax float32 1",
        **settings,
    }


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `text` (upper case) and `flags`. Settings: model, resampling."""
    place = weights.find(settings["model"])
    try:
        import torch
        from transformers import AutoModelForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor
    except ImportError as fault:
        raise MissingModel(f"CTC needs transformers: pip install 'ttsbench[paper]' ({fault})") from fault

    model = AutoModelForCTC.from_pretrained(place, dtype=torch.float32, local_files_only=True).eval()
    torch.nn.Module.to(model, device)
    letters = Wav2Vec2CTCTokenizer.from_pretrained(place, local_files_only=True)
    prepare = Wav2Vec2FeatureExtractor.from_pretrained(place, local_files_only=True)
    how = settings.get("resampling", "soxr")

    @torch.inference_mode()
    def transcribe(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is too short to recognise")
        inputs = prepare(samples[: round(LONGEST * RATE)], sampling_rate=RATE, return_tensors="pt").input_values
        found = model(inputs.to(device)).logits[0].argmax(-1).cpu()
        text = letters.decode(found)
        return {"text": text, "flags": flags(text, len(samples) / RATE, LONGEST)}

    return one_by_one(transcribe)
