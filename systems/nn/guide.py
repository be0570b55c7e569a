"""The attention guide: during training only, one head is told which phones sound in which step.

Not part of any of the papers. It makes a plain autoregressive model find its alignment within minutes on one CPU core.
The loss is the cross-entropy between a head's attention and the known share of every phone in the step.
"""

from __future__ import annotations

import torch
from torch import Tensor


def phone_shares(ends: Tensor, steps: int) -> Tensor:
    """Share of each phone in each step, (steps, phones); every row that any phone touches sums to 1.

    `ends` (phones,) are the phones' end times, ascending, in units of steps (fractions welcome); the first begins at 0.
    """
    starts = torch.cat([ends.new_zeros(1), ends[:-1]]).float()
    edges = torch.arange(steps, device=ends.device, dtype=torch.float32)[:, None]
    overlap = (torch.minimum(ends.float(), edges + 1) - torch.maximum(starts, edges)).clamp_min(0)
    return overlap / overlap.sum(dim=1, keepdim=True).clamp_min(1e-6)


def guide_loss(weights: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy in nats, a mean over the steps that have a target.

    `weights` (batch, steps, phones): a head's attention cut to the phones' columns (a row may sum to less than 1);
    `shares` (batch, steps, phones): the targets, rows of zeros where there is none (padding, prompts).
    """
    targets = shares.sum(dim=-1) > 0
    surprise = -(shares * weights.float().clamp_min(1e-8).log()).sum(dim=-1)
    return surprise.sum() / targets.sum().clamp_min(1)


def hit_rate(weights: Tensor, shares: Tensor) -> float:
    """Share of the steps, in [0, 1], in which the head looks hardest at a phone that sounds there."""
    targets = shares.sum(dim=-1) > 0
    looked = shares.gather(-1, weights.argmax(dim=-1, keepdim=True))[..., 0] > 0
    return float((looked & targets).sum() / targets.sum().clamp_min(1))
