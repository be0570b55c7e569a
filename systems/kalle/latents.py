"""The corpus as KALL-E reads it: every utterance with phones, its latent posterior from the small Flow-VAE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ttsbench.systems.codecs.mel_codec import FlowVAE
from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.corpus.build import Utterance
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.kalle.data import Clip
from ttsbench.systems.text.phones import IDS

LONGEST = 9.0  # seconds; what is longer is left out of training
SILENCE = -2.2


def load_vae(folder: Path) -> FlowVAE:
    """The small Flow-VAE of a folder of checkpoints, without its vocoder."""
    vae = FlowVAE()
    read_weights(vae, folder / "codec-flowvae.safetensors")
    return vae.eval()


def clips_of(corpus: Path, vae: FlowVAE, split: str) -> list[Clip]:
    """Every aligned utterance of a split up to `LONGEST`, with its posterior."""
    data = Corpus(corpus)
    chosen = sorted(data.select(split, phones=True), key=lambda u: u.frames)
    chosen = [u for u in chosen if 0.4 < u.frames / 100 <= LONGEST]
    clips = []
    for first in range(0, len(chosen), 32):
        group = chosen[first : first + 32]
        clips += list(_encode(data, vae, group))
    return clips


@torch.no_grad()
def _encode(data: Corpus, vae: FlowVAE, group: list[Utterance]) -> Iterator[Clip]:
    patch = vae.patch
    longest = -(-max(u.frames for u in group) // patch) * patch
    mels = np.full((len(group), longest, 100), SILENCE, np.float32)
    for row, u in enumerate(group):
        mels[row, : u.frames] = data.mel(u)
    mean, logs = vae.posterior(torch.from_numpy(mels))
    for row, u in enumerate(group):
        count = u.frames // patch
        shard = np.load(data.folder / f"shard-{u.shard}.mel.npy", mmap_mode="r")
        yield Clip(
            np.array([IDS[phone] for phone in u.phones]),
            np.minimum(np.array(u.ends, np.float32) * (100 / patch), count),
            mean[row, :count].half().cpu().numpy(),
            logs[row, :count].half().cpu().numpy(),
            shard[u.start : u.start + u.frames],
            u.speaker,
        )
