"""Sizes and rates of a MobileSpeech model: the reconstructed full size, and the small one that is shipped."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ttsbench.systems.text.phones import PHONES


@dataclass(frozen=True)
class Design:
    """`levels` lists for each codec level the sizes of its symbols: one codebook for RVQ, several digits for FSQ.

    `hidden` is the feed-forward width; `text_layers`, `prompt_layers`, `duration_layers` and `decoder_layers` are
    depths; `stride` prompt frames are joined into one before the prompt is read. `alpha`, `first` and `rank` set the
    mask sampler (`masking.draw`); `plain_masks` replaces it by SoundStorm's. `loss_weights` is one number a level.
    `cross_attention` and `prompt_durations` can be taken out. `forget` is the share of training batches that lose one
    of the two, so that a trained model can be asked to speak without it; `voiceless` is the share whose whole prompt is
    hidden, so that the prompt's weight can be raised at synthesis (`decoding.Settings.guidance`).
    """

    phones: int
    levels: tuple[tuple[int, ...], ...]
    frame_rate: float
    dim: int = 512
    heads: int = 8
    hidden: int = 2048
    text_hidden: int = 2048
    text_layers: int = 4
    text_kernel: int = 9
    prompt_layers: int = 4
    duration_layers: int = 2
    duration_kernel: int = 5
    decoder_layers: int = 12
    kernel: int = 9
    stride: int = 1
    dropout: float = 0.1
    alpha: float = 0.8
    first: float = 0.5
    plain_masks: bool = False
    loss_weights: tuple[float, ...] = ()
    cross_attention: bool = True
    prompt_durations: bool = True
    forget: float = 0.0
    voiceless: float = 0.0

    def __post_init__(self) -> None:
        if self.loss_weights and len(self.loss_weights) != len(self.levels):
            raise ValueError(f"{len(self.loss_weights)} loss weights for {len(self.levels)} levels")
        if self.kernel % 2 == 0 or self.text_kernel % 2 == 0:
            raise ValueError(f"kernels must be odd, not {self.kernel} and {self.text_kernel}")

    @property
    def columns(self) -> tuple[int, ...]:
        """The sizes of all symbols of a frame, level after level."""
        return tuple(size for level in self.levels for size in level)

    def slice(self, level: int) -> slice:
        """Where the symbols of `level` (from 0) stand among the columns."""
        start = sum(len(sizes) for sizes in self.levels[:level])
        return slice(start, start + len(self.levels[level]))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Design:
        """The inverse of `to_dict`, also after a trip through JSON."""
        levels = tuple(tuple(sizes) for sizes in values["levels"])
        return cls(**{**values, "levels": levels, "loss_weights": tuple(values["loss_weights"])})


# EnCodec 24 kHz at 6 kbps: eight codebooks of 1024, 75 frames a second. Widths and depths are the note's choice. The
# paper has an English and a Chinese model; here one phone set serves both.
PAPER = Design(phones=len(PHONES), levels=((1024,),) * 8, frame_rate=75.0)

# The small one: a finite-scalar codec at 50 frames a second. Its digits begin with the largest components of speech, so
# they make three levels from coarse to fine, of 16, 24 and 24 bits.
SMALL = Design(
    phones=41,
    levels=((16,) * 4, (8,) * 8, (4,) * 12),
    frame_rate=50.0,
    dim=256,
    heads=4,
    hidden=448,
    text_hidden=384,
    text_layers=2,
    text_kernel=3,
    prompt_layers=1,
    duration_layers=1,
    duration_kernel=3,
    decoder_layers=4,
    stride=4,
    dropout=0.0,
    forget=0.1,
    voiceless=0.1,
)
SMALL_PLAIN = replace(SMALL, plain_masks=True)

# Passes of the decoder for the first level; every other level takes one.
PASSES = {"quality": 16, "fast": 8, "phone": 4}


def passes(preset: str, levels: int) -> tuple[int, ...]:
    """The passes of a preset for a codec of `levels` levels."""
    return (PASSES[preset],) + (1,) * (levels - 1)
