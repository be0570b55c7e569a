"""How the small FSQ codec's 24 digits a frame become eight codebooks of 256 entries for LiveSpeech, and back.

The codec's digits go from coarse (16 levels) to fine (4 levels), so the codebooks do too, as in residual codecs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = (16,) * 4 + (8,) * 8 + (4,) * 12
PLACES = (
    (0, 1), (2, 3), (4, 5, 12), (6, 7, 13), (8, 9, 14), (10, 11, 15), (16, 17, 18, 19), (20, 21, 22, 23),
)  # fmt: skip
DIGITS = tuple(tuple(LEVELS[at] for at in places) for places in PLACES)
SIZES = tuple(math.prod(levels) for levels in DIGITS)


def pack(digits: Tensor) -> Tensor:
    """Digits (..., 24) to codes (..., 8); the first digit of a codebook is the fastest."""
    codes = []
    for places, levels in zip(PLACES, DIGITS, strict=True):
        code, factor = torch.zeros_like(digits[..., 0]), 1
        for at, level in zip(places, levels, strict=True):
            code, factor = code + digits[..., at] * factor, factor * level
        codes.append(code)
    return torch.stack(codes, dim=-1)


def unpack(codes: Tensor) -> Tensor:
    """Codes (..., 8) to digits (..., 24)."""
    digits: list[Tensor] = [codes.new_zeros(())] * len(LEVELS)
    for q, (places, levels) in enumerate(zip(PLACES, DIGITS, strict=True)):
        rest = codes[..., q]
        for at, level in zip(places, levels, strict=True):
            digits[at], rest = rest % level, rest // level
    return torch.stack(digits, dim=-1)


def vectors(codes: Tensor) -> Tensor:
    """The codec's dequantised vector of each frame, codes (..., 8) to (..., 24) in [-1, 1]."""
    return unpack(codes).float() * 2 / (torch.tensor(LEVELS, device=codes.device) - 1.0) - 1
