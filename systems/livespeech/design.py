"""The sizes of a LiveSpeech model, the published ones and the small shipped one, and where the parameters sit."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from ttsbench.systems.livespeech import layout

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Design:
    """`codebooks` are their sizes; `groups` share out neighbouring codebooks evenly, 1 means no group heads.

    `shared_layers` + `group_layers` is the depth; with groups the latter run once per group on the same weights.
    `features` is the width of what the speech encoder reads: the codec's dequantised vector of each frame.
    `symbols` counts the text symbols, index 0 being padding. `spacing`: None for sinusoidal positions on frames and
    text; a number of frames per symbol for rotary ones in self- and cross-attention (as in LiveSpeech 2).
    `digits` lists each codebook's finite-scalar levels where it has them: a table then starts as a sum of digit tables.
    `text_layers` counts convolutions over the text embeddings; the paper has none.
    """

    codebooks: tuple[int, ...]
    features: int
    symbols: int
    frame_rate: float = 75.0
    dim: int = 1536
    heads: int = 16
    hidden: int = 6144
    shared_layers: int = 6
    group_layers: int = 6
    groups: int = 1
    enrolled: int = 64
    encoder_dim: int = 1024
    encoder_layers: int = 6
    encoder_heads: int = 8
    encoder_hidden: int = 4096
    spacing: float | None = None
    digits: tuple[tuple[int, ...], ...] = ()
    text_layers: int = 0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.count < 2 or self.count % self.groups:
            raise ValueError(f"{self.count} codebooks: at least 2, and a multiple of the {self.groups} groups")
        if self.digits and [math.prod(levels) for levels in self.digits] != list(self.codebooks):
            raise ValueError(f"digits {self.digits} do not multiply to the codebook sizes {self.codebooks}")

    @property
    def count(self) -> int:
        """How many codebooks."""
        return len(self.codebooks)

    @property
    def pad(self) -> int:
        """The index that stands where a codebook has no frame yet, or no frame any more."""
        return max(self.codebooks)

    @property
    def eos(self) -> int:
        """The index that codebook 0 gives after the last frame."""
        return max(self.codebooks) + 1

    @property
    def vocabulary(self) -> int:
        return max(self.codebooks) + 2

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Design:
        """The inverse of `to_dict`, also after a trip through JSON."""
        digits = tuple(tuple(levels) for levels in values.get("digits", ()))
        return cls(**{**values, "codebooks": tuple(values["codebooks"]), "digits": digits})


# 16 codebooks of EnCodec at 12 kbps and 75 frames per second; 128 is the width of EnCodec's latent.
PAPER = Design(codebooks=(1024,) * 16, features=128, symbols=1 + len(CHARACTERS))
PAPER_GROUPS = replace(PAPER, groups=8)

# What is trained and shipped: eight codebooks of the small FSQ codec at 50 frames per second, two groups, phones.
SMALL = Design(
    codebooks=layout.SIZES, features=len(layout.LEVELS), symbols=41, frame_rate=50.0, dim=256, heads=4, hidden=1024,
    shared_layers=4, group_layers=1, groups=2, enrolled=24, encoder_dim=128, encoder_layers=2, encoder_heads=4,
    encoder_hidden=512, spacing=4.4, digits=layout.DIGITS, text_layers=2, dropout=0.0,
)  # fmt: skip


def account(design: Design) -> dict[str, int]:
    """Parameters of each part, by arithmetic alone (without the text convolutions and digit tables of small models)."""
    depth = design.shared_layers + design.group_layers
    layer = 8 * design.dim**2 + 2 * design.dim * design.hidden
    encoder = 4 * design.encoder_dim**2 + 2 * design.encoder_dim * design.encoder_hidden
    inputs = design.features * design.encoder_dim + design.enrolled * design.encoder_dim
    tables = design.count * design.vocabulary * design.dim
    return {
        "decoder layers": depth * layer,
        "code tables": tables,
        "code heads": tables,
        "speech encoder": design.encoder_layers * encoder + inputs,
        "enrollment map": design.encoder_dim * design.dim,
        "text table": design.symbols * design.dim,
        "norms": 2 * design.dim * (3 * depth + 1) + 2 * design.encoder_dim * (2 * design.encoder_layers + 1),
        "group maps": design.groups * design.dim**2 if design.groups > 1 else 0,
    }
