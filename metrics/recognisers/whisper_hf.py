"""Whisper from transformers: one 30 s window, greedy, language and task forced, float32, in batches.

The search is our own, so that it does not change with the library: at each step the likeliest token that is not
suppressed; a finished row waits for the others. A batch gives what one at a time gives (tested with openai-whisper).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, short, version
from ttsbench.metrics.recognisers.batches import in_batches
from ttsbench.metrics.recognisers.guards import WINDOW, flags
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np
    import torch

BATCH = 8
RATE = 16000


@dataclass(frozen=True)
class Heard:
    """One row: tokens without the prompt and the end, mean log probability, probability of no speech."""

    tokens: list[int]
    logprob: float
    no_speech: float


@dataclass(frozen=True)
class Plan:
    """How to search. `prompt` begins with the start token; `first` is suppressed at the first step only."""

    prompt: list[int]
    end: int
    suppress: list[int]
    first: list[int]
    no_speech: int
    most: int


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version, decoding and settings."""
    named = weights.identity(settings.get("model", "whisper-large-v3"))
    return {**named, "version": f"transformers {version('transformers')}", "decoding": "greedy float32 1", **settings}


def search(model: Any, mels: torch.Tensor, plan: Plan) -> list[Heard]:
    """Greedy search over mel spectrograms (batch, mels, 3000) with a WhisperForConditionalGeneration."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    encoded = BaseModelOutput(last_hidden_state=model.model.encoder(mels).last_hidden_state)
    size = mels.shape[0]
    tokens: list[list[int]] = [[] for _ in range(size)]
    done = torch.zeros(size, dtype=torch.bool, device=mels.device)
    total = torch.zeros(size, device=mels.device)
    feed = torch.tensor([plan.prompt] * size, device=mels.device)
    cache, silent = None, [0.0] * size
    for step in range(plan.most):
        out = model(encoder_outputs=encoded, decoder_input_ids=feed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        if step == 0:
            silent = out.logits[:, 0].float().softmax(-1)[:, plan.no_speech].tolist()
        scores = out.logits[:, -1].float()
        scores[:, plan.suppress + (plan.first if step == 0 else [])] = -torch.inf
        best = scores.log_softmax(-1).max(-1)
        total += torch.where(done, 0.0, best.values)
        chosen = torch.where(done, plan.end, best.indices)
        done |= chosen == plan.end
        for row, token in zip(tokens, chosen.tolist(), strict=True):
            if token != plan.end:
                row.append(token)
        if bool(done.all()):
            break
        feed = chosen[:, None]
    means = [float(value) / (len(row) + 1) for value, row in zip(total, tokens, strict=True)]
    return [Heard(row, mean, quiet) for row, mean, quiet in zip(tokens, means, silent, strict=True)]


def plan_for(model: Any, language: str) -> tuple[Plan, Any]:
    """The search plan of a checkpoint and OpenAI's tokenizer, whose vocabulary is the same in both packages."""
    try:
        from whisper.tokenizer import get_tokenizer
    except ImportError as fault:
        raise MissingModel("Whisper needs its vocabulary: pip install openai-whisper") from fault

    size = model.config.vocab_size
    several = size >= 51865
    words = get_tokenizer(several, num_languages=size - 51765 - several, language=language, task="transcribe")
    given = model.generation_config
    special = (words.transcribe, words.translate, words.sot, words.sot_prev, words.sot_lm, words.no_speech)
    suppress = getattr(given, "suppress_tokens", None) or sorted({*words.non_speech_tokens, *special})
    first = getattr(given, "begin_suppress_tokens", None) or [*words.encode(" "), words.eot]
    prompt = list(words.sot_sequence_including_notimestamps)
    most = model.config.max_target_positions - len(prompt)
    return Plan(prompt, words.eot, list(suppress), list(first), words.no_speech, most), words


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: `text`, `flags`, `logprob`, `no_speech`. Settings: model, language, resampling."""
    place = weights.find(settings.get("model", "whisper-large-v3"))
    try:
        import torch
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration
    except ImportError as fault:
        raise MissingModel(f"Whisper needs transformers: pip install 'ttsbench[paper]' ({fault})") from fault

    model = WhisperForConditionalGeneration.from_pretrained(place, dtype=torch.float32, local_files_only=True)
    torch.nn.Module.to(model.eval(), device)
    plan, words = plan_for(model, settings.get("language", "en"))
    mels = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)

    @torch.inference_mode()
    def recognise(waves: list[np.ndarray]) -> list[dict[str, Any]]:
        spectra = mels(waves, sampling_rate=RATE, return_tensors="pt").input_features.to(device)
        return [
            describe(words, heard, len(wave)) for heard, wave in zip(search(model, spectra, plan), waves, strict=True)
        ]

    return in_batches(recognise, RATE, settings.get("resampling", "soxr"))


def describe(words: Any, heard: Heard, samples: int) -> dict[str, Any]:
    """A row as a feature value."""
    text = words.decode([token for token in heard.tokens if token < words.eot]).strip()
    found = flags(text, samples / RATE, WINDOW, heard.no_speech, heard.logprob)
    return {"text": text, "flags": found, "logprob": short(heard.logprob), "no_speech": short(heard.no_speech)}
