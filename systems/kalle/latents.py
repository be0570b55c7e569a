"""The corpus as KALL-E reads it: every utterance with phones, its latent posterior from the small Flow-VAE."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from ttsbench.systems.codecs.mel_codec import FlowVAE
from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.kalle.data import Clip
from ttsbench.systems.text.phones import IDS

LONGEST = 9.0  # seconds; what is longer is left out of training
SILENCE = -2.2
FRAME_RATE = 12.5
STORED = "posterior-flowvae"  # CORPUS/posterior-flowvae.npy and .json


def load_vae(folder: Path) -> FlowVAE:
    """The small Flow-VAE of a folder of checkpoints, without its vocoder."""
    vae = FlowVAE()
    read_weights(vae, folder / "codec-flowvae.safetensors")
    return vae.eval()


def clips_of(corpus: Path, vae: FlowVAE | None, split: str, only: Collection[str] | None = None) -> list[Clip]:
    """Every aligned utterance of a split up to `LONGEST`, with its posterior; `only`: none but these ids.

    Without `vae` the posteriors are those that were put into the corpus (`store`), and what has none is left out.
    """
    data = Corpus(corpus)
    chosen = sorted(data.select(split, phones=True), key=lambda u: u.frames)
    chosen = [u for u in chosen if 0.4 < u.frames / 100 <= LONGEST and (only is None or u.id in only)]
    if vae is None:
        index = json.loads((corpus / f"{STORED}.json").read_text(encoding="utf-8"))
        kept = np.load(corpus / f"{STORED}.npy", mmap_mode="r")
        found = [u for u in chosen if u.id in index]
        return [_clip(data, u, np.array(kept[index[u.id][0] : sum(index[u.id])])) for u in found]
    clips = []
    for first in range(0, len(chosen), 32):
        group = chosen[first : first + 32]
        clips += list(_encode(data, vae, group))
    return clips


def store(corpus: Path, ids: Sequence[str], counts: Sequence[int], mean: np.ndarray, logs: np.ndarray) -> None:
    """Put posteriors (frames of all, latent) of utterances with so many frames each into a corpus."""
    starts = np.cumsum([0, *counts])
    np.save(corpus / f"{STORED}.npy", np.concatenate([mean, logs], axis=1).astype(np.float16))
    index = {key: (int(start), count) for key, start, count in zip(ids, starts, counts, strict=False)}
    (corpus / f"{STORED}.json").write_text(json.dumps(index), encoding="utf-8")


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
        yield _clip(data, u, torch.cat([mean[row, :count], logs[row, :count]], dim=1).half().cpu().numpy())


def _clip(data: Corpus, u: Utterance, posterior: np.ndarray) -> Clip:
    """`posterior` (frames, 2 * latent): mean and log-deviation side by side."""
    count, latent = len(posterior), posterior.shape[1] // 2
    shard = np.load(data.folder / f"shard-{u.shard}.mel.npy", mmap_mode="r")
    return Clip(
        np.array([IDS[phone] for phone in u.phones]),
        np.minimum(np.array(u.ends, np.float32) * FRAME_RATE, count),
        posterior[:, :latent],
        posterior[:, latent:],
        shard[u.start : u.start + u.frames],
        u.speaker,
        id=u.id,
    )
