"""Qwen3-ASR from transformers as the Open TTS Leaderboard runs it: language given, 30 s, 256 new tokens, bfloat16.

Rows of one batch are padded to the longest; the harness puts audio of like length together. Decoding follows the
checkpoint's own generation configuration, of which nothing but the number of new tokens is set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, version
from ttsbench.metrics.recognisers.batches import in_batches
from ttsbench.metrics.recognisers.guards import flags
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np

BATCH = 32
RATE = 16000
LONGEST = 30.0  # s; what comes after is not heard
NEW_TOKENS = 256
NAME = "qwen3-asr-1.7b"
NEEDED = "Qwen3-ASR needs a transformers with Qwen3ASRForConditionalGeneration"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version, decoding and settings."""
    named = weights.identity(settings.get("model", NAME))
    decoding = f"{settings.get('precision', 'bfloat16')} {NEW_TOKENS} tokens 1"
    return {**named, "version": f"transformers {version('transformers')}", "decoding": decoding, **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: `text`, `flags`. Settings: model, language (ISO 639-1), resampling, precision (bfloat16)."""
    place = weights.find(settings.get("model", NAME))
    try:
        import torch
        from transformers import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor
    except ImportError as fault:
        raise MissingModel(
            f"{NEEDED}; here is {version('transformers') or 'none'}: pip install 'ttsbench[paper]'"
        ) from fault

    precision = getattr(torch, settings.get("precision", "bfloat16"))
    processor: Any = Qwen3ASRProcessor.from_pretrained(place, local_files_only=True)
    model: Any = Qwen3ASRForConditionalGeneration.from_pretrained(place, dtype=precision, local_files_only=True)
    torch.nn.Module.to(model.eval(), device)
    language = settings.get("language") or None

    @torch.inference_mode()
    def recognise(waves: list[np.ndarray]) -> list[dict[str, Any]]:
        heard = [wave[: int(LONGEST * RATE)] for wave in waves]
        given = processor.apply_transcription_request(heard, language=[language] * len(heard))
        given = given.to(model.device, precision)
        tokens = model.generate(**given, max_new_tokens=NEW_TOKENS)[:, given["input_ids"].shape[1] :]
        texts = processor.decode(tokens, return_format="transcription_only")
        return [
            {"text": text.strip(), "flags": flags(text, len(wave) / RATE, LONGEST)}
            for text, wave in zip(texts, waves, strict=True)
        ]

    return in_batches(recognise, RATE, settings.get("resampling", "soxr"))
