"""What KALL-E's language model minimises: a divergence between Gaussians, frame by frame, and one for the end."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ttsbench.systems.kalle.model import END_LOGS, END_MEAN
from ttsbench.systems.nn import gaussian

Direction = Literal["target-predicted", "predicted-target"]
LAMBDA_END = 0.02


def frame_losses(
    predicted: tuple[Tensor, Tensor],
    target: tuple[Tensor, Tensor],
    mask: Tensor,
    direction: Direction,
) -> dict[str, Tensor]:
    """The losses `audio` and `end`, each a mean over its frames, in nats per dimension.

    `predicted` mean and log-deviation (batch, frames + 1, latent) as `Kalle.forward` gives them, `target` the
    codec's posterior (batch, frames, latent), `mask` (batch, frames). The paper writes KL(target || predicted); the
    public training code computes KL(predicted || target).
    """
    batch, frames, width = target[0].shape
    lengths = mask.sum(dim=1)
    mean = torch.cat([target[0].float(), target[0].new_zeros(batch, 1, width)], dim=1)
    logs = torch.cat([target[1].float(), target[1].new_zeros(batch, 1, width)], dim=1)
    ends = torch.arange(frames + 1, device=mask.device)[None] == lengths[:, None]
    mean = mean.masked_fill(ends[..., None], END_MEAN)
    logs = logs.masked_fill(ends[..., None], END_LOGS)
    first, second = ((mean, logs), predicted) if direction == "target-predicted" else (predicted, (mean, logs))
    each = gaussian.kl(*first, *second).mean(dim=-1)
    audio = (each[:, :-1] * mask).sum() / mask.sum().clamp_min(1)
    return {"audio": audio, "end": each[ends].mean()}


def speaker_loss(mean: Tensor, logs: Tensor) -> Tensor:
    """KL(speaker latent || N(0, 1)), a mean over dimensions and batch."""
    return gaussian.kl(mean, logs, 0.0, 0.0).mean()
