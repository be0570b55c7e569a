"""Whisper from the openai-whisper package, by its own `decode`: one 30 s window, greedy or beam, language forced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, short, version
from ttsbench.metrics.recognisers.batches import in_batches
from ttsbench.metrics.recognisers.guards import WINDOW, flags
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np

BATCH = 8
RATE = 16000


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version, decoding and settings."""
    named = weights.identity(settings["model"])
    return {**named, "version": f"openai-whisper {version('openai-whisper')}", "decoding": "float32 1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: `text`, `flags`, `logprob`, `no_speech` of each. Settings: model, language, beam.

    With `windows` "all": the package's own `transcribe`, which goes on after 30 s and hears a doubtful window again at
    higher temperatures (sampled, seeded anew for each file); features with `text` and `flags`.
    """
    path = weights.weights_file(settings["model"])
    try:
        import torch
        import whisper
    except ImportError as fault:
        raise MissingModel(f"pip install openai-whisper ({fault})") from fault

    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model = whisper.model.Whisper(whisper.ModelDimensions(**checkpoint["dims"]))
    model.load_state_dict(checkpoint["model_state_dict"])
    model = model.to(device).eval()
    beam = int(settings["beam"]) if "beam" in settings else None
    if settings.get("windows") == "all":
        return one_by_one(lambda request: _whole(model, request, settings))
    options = whisper.DecodingOptions(
        language=settings.get("language", "en"), without_timestamps=True, fp16=False, temperature=0.0, beam_size=beam
    )

    @torch.inference_mode()
    def recognise(waves: list[np.ndarray]) -> list[dict[str, Any]]:
        padded = [whisper.pad_or_trim(torch.from_numpy(wave.copy())) for wave in waves]
        mels = torch.stack([whisper.log_mel_spectrogram(wave, model.dims.n_mels) for wave in padded]).to(device)
        return [
            describe(found, len(wave)) for found, wave in zip(whisper.decode(model, mels, options), waves, strict=True)
        ]

    return in_batches(recognise, RATE, settings.get("resampling", "soxr"))


def _whole(model: Any, request: Request, settings: dict[str, str]) -> dict[str, Any]:
    """A file of any length by `whisper.transcribe` as it is, without timestamps or its own words as context."""
    import torch
    import whisper

    wave = read(request.audio, RATE, settings.get("resampling", "soxr"), start=request.start)
    torch.manual_seed(0)
    plain = {"task": "transcribe", "condition_on_previous_text": False, "without_timestamps": True, "fp16": False}
    text = whisper.transcribe(model, wave, language=settings.get("language", "en"), **plain)["text"].strip()
    return {"text": text, "flags": flags(text, 0.0, WINDOW)}


def describe(found: Any, samples: int) -> dict[str, Any]:
    """A decoding result as a feature value."""
    found_flags = flags(found.text, samples / RATE, WINDOW, found.no_speech_prob, found.avg_logprob)
    numbers = {"logprob": short(found.avg_logprob), "no_speech": short(found.no_speech_prob)}
    return {"text": found.text, "flags": found_flags, **numbers}
