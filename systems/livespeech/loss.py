"""The delay pattern and the adaptive codebook weights.

Codebook q of frame t is spoken at step t + q (MusicGen's delay pattern). The weights belong to audio frames, whose
codes lie on a diagonal of the delayed grid, so everything here is undelayed before weights are formed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def delay(codes: Tensor, lengths: Tensor, pad: int, eos: int) -> Tensor:
    """Codes (batch, frames, codebooks) to the delayed grid (batch, frames + codebooks - 1, codebooks).

    grid[s, q] = codes[s - q, q] where 0 <= s - q < length, else `pad`; codebook 0 has `eos` at step `length`.
    """
    batch, frames, count = codes.shape
    frame = torch.arange(frames + count - 1, device=codes.device)[:, None] - torch.arange(count, device=codes.device)
    source = codes.gather(1, frame.clamp(0, frames - 1).expand(batch, -1, -1))
    inside = (frame >= 0) & (frame < lengths[:, None, None])
    grid = torch.where(inside, source, pad)
    grid[torch.arange(batch, device=codes.device), lengths, 0] = eos
    return grid


def undelay(grid: Tensor, frames: int) -> Tensor:
    """(batch, steps, codebooks, ...) back to frames: out[t, q] = grid[t + q, q], (batch, frames, codebooks, ...)."""
    return torch.stack([grid[:, q : q + frames, q] for q in range(grid.shape[2])], dim=2)


def adaptive_weights(surprise: Tensor, strength: float, p_max: float | None = None) -> Tensor:
    """Weights of the codes, (batch, frames, codebooks), without a gradient.

    `surprise` is -log p of the true codes, undelayed. A code weighs the product of the probabilities of the codes above
    it in its frame, to the power `strength` (lambda of the paper). Codes likelier than `p_max` are dropped, and what is
    left of a frame is scaled so that its largest weight is 1; dropped codes still take part in the product.
    """
    logs = -surprise.detach().float()
    weights = (strength * (logs.cumsum(-1) - logs)).exp()
    if p_max is None:
        return weights
    weights = weights.masked_fill(logs.exp() > p_max, 0.0)
    largest = weights.amax(-1, keepdim=True)
    return torch.where(largest > 0, weights / largest.clamp_min(1e-30), 0.0)


FIXED = (16.0, 8.0, 4.0, 2.0)  # of the first codebooks at the start; the others weigh 1


def fixed_weights(count: int, done: float) -> Tensor:
    """The paper's baseline (appendix A.3): weights (codebooks,) that fall exponentially to 1 over the share `done` of
    training, whatever the model predicts.
    """
    start = torch.tensor([*FIXED[:count], *[1.0] * (count - len(FIXED))])
    return start ** (1.0 - min(1.0, done))


def code_loss(
    logits: Tensor,
    codes: Tensor,
    lengths: Tensor,
    eos: int,
    strength: float = 0.0,
    p_max: float | None = None,
    fixed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The weighted loss, and for the log the plain cross-entropy per codebook (codebooks,), both in nats.

    `fixed` (codebooks,): weights in place of the adaptive ones.
    `logits` (batch, steps, codebooks, vocabulary) on the delayed grid; `codes` (batch, frames, codebooks); padding
    behind `lengths` (batch,) does not count. End of speech, a symbol of codebook 0, counts with weight 1.
    """
    batch, frames, count = codes.shape
    grid = delay(codes, lengths, 0, eos)
    surprise = F.cross_entropy(logits.flatten(0, 2).float(), grid.flatten(), reduction="none").view(grid.shape)
    spoken = undelay(surprise, frames)
    real = (torch.arange(frames, device=codes.device) < lengths[:, None])[..., None]
    weights = adaptive_weights(spoken, strength, p_max) if fixed is None else fixed.to(spoken.device)
    weighted = (weights * spoken * real).sum()
    ends = surprise[torch.arange(batch, device=codes.device), lengths, 0].sum()
    total = lengths.sum()
    plain = (spoken.detach() * real).sum((0, 1)) / total
    return (weighted + ends) / (total * count), plain
