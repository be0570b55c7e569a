"""The eight codebooks that LiveSpeech speaks: the small RVQ codec's as they are, or packed from the FSQ codec's digits.

FSQ's 24 digits a frame become eight codebooks of 256 entries. They go from coarse (16 levels) to fine (4 levels), so
the codebooks do too: they are those of a residual quantizer with fixed entries, each codebook over digits of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttsbench.errors import UserError

if TYPE_CHECKING:
    from ttsbench.systems.codecs.small import SmallCodec

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


class Layout:
    """The codebooks of one small codec: their `sizes`, and its codes to and from them. ValueError: another codec."""

    def __init__(self, codec: SmallCodec) -> None:
        self.codec, self.packed = codec, codec.name == "fsq"
        self.sizes = SIZES if self.packed else codec.levels
        if codec.name not in ("fsq", "rvq") or (self.packed and codec.levels != LEVELS):
            raise UserError(
                f"codec {codec.name} has levels {codec.levels}; LiveSpeech needs {LEVELS}, or the codec rvq"
            )

    def pack(self, given: Tensor) -> Tensor:
        """The codec's codes (..., k) to codebooks (..., 8)."""
        return pack(given) if self.packed else given

    def unpack(self, codes: Tensor) -> Tensor:
        """The inverse of `pack`."""
        return unpack(codes) if self.packed else codes

    def vectors(self, codes: Tensor) -> Tensor:
        """The codec's dequantised vector of each frame, codes (batch, frames, 8) to (batch, frames, 24)."""
        return vectors(codes) if self.packed else self.codec.model.latents(codes)

    @property
    def entries(self) -> Tensor | None:
        """What the codebooks hold, (codebooks, entries, 24); None for packed digits."""
        return None if self.packed else self.codec.model.state_dict()["quantizer.codebooks"]
