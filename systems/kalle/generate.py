"""Speaking: one Gaussian at a time, each sampled and fed back, until the model predicts the stop distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttsbench.systems.kalle.model import Kalle, is_end
from ttsbench.systems.nn import gaussian

Emit = Literal["fed", "resample", "mean"]


@dataclass(frozen=True)
class Sampling:
    """`temperature` scales the noise that is fed back. `emit` says what the decoder gets: the latent that was fed back,
    a fresh sample (what the public code does), or the mean. `stop` is the divergence from the stop distribution below
    which speech ends, never before `least` frames; `most` frames are the emergency brake.
    """

    temperature: float = 1.0
    emit: Emit = "resample"
    emit_temperature: float = 1.0
    stop: float = 0.5
    least: int = 4
    most: int = 1000


@torch.inference_mode()
def frames(
    model: Kalle,
    ids: Tensor,
    speaker: Tensor | None,
    sampling: Sampling,
    generator: torch.Generator,
    prompt: Tensor | None = None,
    told: int = 0,
) -> Iterator[Tensor]:
    """Latents (1, 1, latent) for the decoder as they are made; `prompt` (1, frames, latent) goes before them.

    `ids` (1, tokens) ends with the token at which speech starts; its first `told` tokens are what the prompt says (0:
    not known). `speaker` is a latent (1, width).
    """
    start = 0 if prompt is None else prompt.shape[1]
    spread = torch.tensor([[told, start]], device=ids.device) if told else None
    x, mask, positions = model.prefix(ids, torch.ones_like(ids, dtype=torch.bool), speaker, spread)
    cache = model.cache(1, x.shape[1] + start + sampling.most)
    if prompt is not None:
        x = torch.cat([x, model.audio_linear(prompt).to(x.dtype)], dim=1)
        positions = torch.cat([positions, model.speech_positions(mask, 1, start)], dim=1)
    hidden = model.body(x, positions=positions, cache=cache)[:, -1:]
    for step in range(sampling.most):
        mean, logs = model.distribution(hidden)
        if step >= sampling.least and float(is_end(mean, logs)) < sampling.stop:
            return
        fed = gaussian.sample(mean, logs, sampling.temperature, generator)
        if sampling.emit == "fed":
            out = fed
        elif sampling.emit == "mean":
            out = mean
        else:
            out = gaussian.sample(mean, logs, sampling.emit_temperature, generator)
        yield model.restore(out)
        where = model.speech_positions(mask, start + step + 1, 1)
        hidden = model.body(model.audio_linear(fed.to(x.dtype)), positions=where, cache=cache)
