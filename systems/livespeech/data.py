"""Training examples: an utterance's symbols, their ends and its codes, and codes of the voice from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ttsbench.systems.training.data import TtsBatch

LEAD = 2  # frames of silence kept before the first sound: what is spoken should be audible at once
PAUSE = 1  # the symbol of a pause


class Batch(NamedTuple):
    """Padded examples: `symbols` (batch, symbols), 0 pads, and their `ends` in frames; `codes` (batch, frames,
    codebooks) of `lengths` (batch,); the voice in `enrolled` (batch, frames, codebooks) of lengths `heard` (batch,).
    """

    symbols: Tensor
    ends: Tensor
    codes: Tensor
    lengths: Tensor
    enrolled: Tensor
    heard: Tensor


def without_lead(batch: Batch) -> Batch:
    """Utterances that open with a pause begin `LEAD` frames before its end."""
    cut = torch.where(batch.symbols[:, 0] == PAUSE, batch.ends[:, 0].long() - LEAD, 0).clamp_min(0)
    lengths = batch.lengths - cut
    frames = torch.arange(int(lengths.max()), device=cut.device)[None] + cut[:, None]
    inside = frames < batch.lengths[:, None]
    index = frames.clamp_max(batch.codes.shape[1] - 1)[..., None].expand(-1, -1, batch.codes.shape[2])
    codes = batch.codes.gather(1, index) * inside[..., None]
    return batch._replace(codes=codes, lengths=lengths, ends=(batch.ends - cut[:, None]).clamp_min(0))


def from_corpus(batch: TtsBatch, pack: Callable[[Tensor], Tensor]) -> Batch:
    """The shared trainer's batch of a codec's codes, `pack`ed into LiveSpeech's codebooks, without opening silence."""
    ends = batch.durations.cumsum(1).float()
    codes, voice = pack(batch.target), pack(batch.prompt)
    return without_lead(Batch(batch.phones, ends, codes, batch.lengths, voice, batch.prompt_lengths))
