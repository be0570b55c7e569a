"""Codecs. The small ones are shipped: `load_codec("rvq" | "fsq" | "flowvae")`, 16 kHz, one vocoder for all.

    codec = load_codec("fsq")                      # weights: systems/checkpoints, or the folder in TTSBENCH_CHECKPOINTS
    codes = codec.encode(audio)                    # audio (batch, samples) float32 -> (batch, time, codebooks)
    audio = codec.decode(codes)                    # -> (batch, time * codec.hop)
    for piece in codec.decode_stream(chunks): ...  # chunks of codes -> chunks of audio; together equal to decode

| name | frames/s | codes of a frame | what `encode` gives |
| --- | --- | --- | --- |
| rvq | 50 | 8 codebooks of 1024; `decode` takes the first k too | long (batch, time, 8) |
| fsq | 50 | 24 dimensions of 16, 8 and 4 levels (`codec.levels`): one token of 64 bits | long (batch, time, 24) |
| flowvae | 12.5 | 96 real numbers; `encode_distribution` gives mean and standard deviation | float (batch, time, 96) |
"""

from __future__ import annotations

import os
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ttsbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ttsbench.systems.codecs.small import SmallCodec

NAMES = ("rvq", "fsq", "flowvae")


@typing.runtime_checkable
class Codec(Protocol):
    """What every codec offers. `levels`: entries of each codebook; () and `bits_per_second` None where continuous."""

    name: str
    sample_rate: int
    hop: int
    frame_rate: float
    codebooks: int
    codebook_size: int
    levels: tuple[int, ...]
    bits_per_second: float | None

    def encode(self, audio: Tensor) -> Tensor:
        """Audio (batch, samples) in [-1, 1] to codes or latents (batch, samples // hop, codebooks)."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Codes or latents (batch, time, codebooks) to audio (batch, time * hop)."""
        ...

    def decode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Chunks of codes along time to chunks of audio, each as early as it is final."""
        ...


def checkpoints() -> Path:
    """The folder of the shipped weights; the environment variable TTSBENCH_CHECKPOINTS names another one."""
    own = os.environ.get("TTSBENCH_CHECKPOINTS")
    return Path(own) if own else Path(__file__).resolve().parent.parent / "checkpoints"


def load_codec(name: str, folder: Path | None = None, device: str = "cpu") -> SmallCodec:
    """A trained small codec with the shared vocoder, in evaluation mode. FileNotFoundError names a missing file."""
    from ttsbench.systems.codecs.small import load

    if name not in NAMES:
        raise UserError(f"no small codec is called {name!r}; there are {', '.join(NAMES)}")
    return load(name, folder or checkpoints(), device)
