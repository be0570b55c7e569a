"""Aids that act in training only, none of them from the paper: the attention guide and masked input rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.systems.livespeech.design import Design
from ttsbench.systems.nn.guide import guide_loss, hit_rate
from ttsbench.systems.nn.transformer import Watch

HEAD = 0  # the guided head of each guided layer


def shares_of(ends: Tensor, frames: int) -> Tensor:
    """Share of each symbol in each frame, (batch, frames, symbols), rows summing to 1 or, past the end, to 0.

    `ends` (batch, symbols) in frames, ascending; padding repeats the last end.
    """
    starts = F.pad(ends[:, :-1], (1, 0))
    edges = torch.arange(frames, device=ends.device, dtype=ends.dtype)[None, :, None]
    overlap = (torch.minimum(ends[:, None], edges + 1) - torch.maximum(starts[:, None], edges)).clamp_min(0)
    return overlap / overlap.sum(dim=-1, keepdim=True).clamp_min(1e-6)


def later(shares: Tensor, by: int, steps: int) -> Tensor:
    """What sounds `by` frames before each of `steps` steps: zeros first, then `shares` (batch, frames, symbols)."""
    return F.pad(shares, (0, 0, by, max(0, steps - by - shares.shape[1])))[:, :steps]


class Guide:
    """Watches one head in four places and compares it with the symbols that truly sound.

    The last shared layer but one is asked what sounds in the frame before (where am I), the last one what sounds in the
    frame that codebook 0 begins (what next), the first group layer what sounds in the frame its own codebooks are at.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        last = design.shared_layers - 1
        self.where, self.what, self.own = (max(0, last - 1), HEAD), (last, HEAD), (0, HEAD)
        self.shared, self.grouped = Watch(self.where, self.what), Watch(self.own)

    def compare(self, shares: Tensor) -> tuple[Tensor, float]:
        """After a forward pass: the loss in nats, and in how many of the steps `what` looks at the right symbol."""
        design, first = self.design, self.design.enrolled
        where, what = (self.shared.weights[key][..., first:] for key in (self.where, self.what))
        own = self.grouped.weights[self.own].unflatten(0, (-1, design.groups))[..., first:]
        steps, each = what.shape[1], design.count // design.groups
        losses = [guide_loss(where, later(shares, 1, steps)), guide_loss(what, later(shares, 0, steps))]
        losses += [guide_loss(own[:, g], later(shares, g * each, steps)) for g in range(design.groups)]
        return torch.stack(losses).mean(), hit_rate(what.detach(), later(shares, 0, steps))


def hidden_rows(batch: int, steps: int, most: float, device: torch.device) -> Tensor:
    """Which input rows are hidden, (batch, steps): each utterance loses its own share, uniform in 0 to `most`."""
    share = torch.rand(batch, 1, device=device) * most
    return torch.rand(batch, steps, device=device) < share
