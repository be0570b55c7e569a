"""The corpus as KALL-E reads it: every utterance with phones, its latent posterior from the small Flow-VAE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ttsbench.systems.codecs import load_codec
from ttsbench.systems.codecs.mel_codec import FlowVAE
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.corpus.build import Utterance
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.kalle.data import Clip
from ttsbench.systems.text.phones import IDS

LONGEST = 9.0  # seconds; what is longer is left out of training
SILENCE = -2.2


def clips_of(corpus: Path, codec: Path | None, split: str) -> list[Clip]:
    """Every aligned utterance of a split up to `LONGEST`; `codec`: folder of the Flow-VAE, or None for ours."""
    data, vae = Corpus(corpus), load_codec("flowvae", codec)
    chosen = sorted(data.select(split, phones=True), key=lambda u: u.frames)
    chosen = [u for u in chosen if 0.4 < u.frames / 100 <= LONGEST]
    clips = []
    for first in range(0, len(chosen), 32):
        group = chosen[first : first + 32]
        clips += list(_encode(data, vae, group))
    return clips


@torch.no_grad()
def _encode(data: Corpus, vae: SmallCodec, group: list[Utterance]) -> Iterator[Clip]:
    assert isinstance(vae.model, FlowVAE)
    patch = vae.model.patch
    longest = -(-max(u.frames for u in group) // patch) * patch
    mels = np.full((len(group), longest, 100), SILENCE, np.float32)
    for row, u in enumerate(group):
        mels[row, : u.frames] = data.mel(u)
    mean, logs = vae.model.posterior(torch.from_numpy(mels).to(vae.device))
    for row, u in enumerate(group):
        count = u.frames // patch
        shard = np.load(data.folder / f"shard-{u.shard}.mel.npy", mmap_mode="r")
        yield Clip(
            np.array([IDS[phone] for phone in u.phones]),
            np.minimum(np.array(u.ends, np.float32) * vae.frame_rate, count),
            mean[row, :count].half().cpu().numpy(),
            logs[row, :count].half().cpu().numpy(),
            shard[u.start : u.start + u.frames],
            u.speaker,
        )
