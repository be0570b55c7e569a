"""Where text stands on the axis of speech frames, in models whose rotary positions let speech find its text.

Text and speech share one axis: token i of a text stands at i * spacing, about where it sounds. With a prompt there are
two texts, and each begins where its speech begins.
"""

from __future__ import annotations

import torch
from torch import Tensor


def places(order: Tensor, spacing: float, told: Tensor | None = None) -> Tensor:
    """Where the tokens number `order` (batch or 1, tokens) stand, in frames; `spacing` frames a token.

    `told` (batch or 1, 2): how many of the tokens are said before, by a prompt, and in how many frames: they are spread
    over these frames. The others begin where the prompt ends, whether it was slow or fast.
    """
    if told is None:
        return order * spacing
    tokens, frames = told[:, :1].float(), told[:, 1:].float()
    return torch.where(order < tokens, order * (frames / tokens.clamp_min(1)), frames + (order - tokens) * spacing)
