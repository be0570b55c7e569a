"""Training examples: an utterance's symbols, their ends and its codes, and codes of the voice from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from ttsbench.systems.training.data import TtsBatch

LEAD = 2  # frames of silence kept before the first sound: what is spoken should be audible at once
PAUSE = 1  # the symbol of a pause


class Batch(NamedTuple):
    """Padded examples: `symbols` (batch, symbols), 0 pads, and their `ends` in frames; `codes` (batch, frames,
    codebooks) of `lengths` (batch,); the voice in `enrolled` (batch, frames, codebooks) of lengths `heard` (batch,);
    `told` (batch, 2): the symbols and frames that count as said before, as a prompt's last words are at synthesis
    (None: none do).
    """

    symbols: Tensor
    ends: Tensor
    codes: Tensor
    lengths: Tensor
    enrolled: Tensor
    heard: Tensor
    told: Tensor | None = None


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


def with_history(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """In this `share` of the utterances what comes before a random symbol counts as said before: the clock of the text
    begins anew there, as it does at synthesis behind a prompt's last words.
    """
    counts = (batch.symbols != 0).sum(1).numpy()
    cut = np.where(rng.random(len(counts)) < share, rng.integers(0, np.maximum(counts, 1)), 0)
    symbols = torch.from_numpy(cut)
    frames = batch.ends.gather(1, (symbols - 1).clamp_min(0)[:, None])[:, 0]
    return batch._replace(told=torch.stack([symbols.float(), torch.where(symbols > 0, frames, 0.0)], dim=1))
