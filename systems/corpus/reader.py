"""Reads a corpus folder: utterances, memory-mapped audio and log-mels, batches for codecs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems.corpus.shards import FLITE, LEARNERS, MOST_FLITE, MOST_LEARNERS, Utterance
from ttsbench.systems.nn.mel import HOP, N_MELS
from ttsbench.systems.text.phones import ENGLISH, PHONES


class Corpus:
    """A corpus folder. `utterances` in the manifest's order; audio and mels stay on disk."""

    def __init__(self, folder: Path) -> None:
        path = folder / "manifest.jsonl"
        if not path.is_file():
            raise MissingFile(f"{path}: no corpus here; make one with: ttsbench train corpus --out {folder}")
        self.folder = folder
        self.utterances: list[Utterance] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                row["phones"], row["ends"] = tuple(row["phones"]), tuple(row["ends"])
                self.utterances.append(Utterance(**row))
            except (json.JSONDecodeError, TypeError, KeyError) as fault:
                raise UserError(f"{path}, line {number}: not an utterance ({fault}): {line[:80]!r}") from fault
        self._maps: dict[str, np.ndarray] = {}

    def _map(self, name: str) -> np.ndarray:
        if name not in self._maps:
            self._maps[name] = np.load(self.folder / name, mmap_mode="r")
        return self._maps[name]

    def mel(self, u: Utterance, first: int = 0, frames: int | None = None) -> np.ndarray:
        """Float32 (frames, 100) normalised log-mels of an utterance, or of a piece of it."""
        stop = u.frames if frames is None else min(u.frames, first + frames)
        return self._map(f"shard-{u.shard}.mel.npy")[u.start + first : u.start + stop].astype(np.float32)

    def audio(self, u: Utterance, first: int = 0, frames: int | None = None) -> np.ndarray:
        """Float32 (frames * 160,) samples at 16 kHz; `first` and `frames` count 10 ms frames."""
        stop = u.frames if frames is None else min(u.frames, first + frames)
        pcm = self._map(f"shard-{u.shard}.pcm.npy")[(u.start + first) * HOP : (u.start + stop) * HOP]
        return pcm.astype(np.float32) / 32767.0

    def select(self, split: str, source: str | None = None, phones: bool = False) -> list[Utterance]:
        """Utterances of a split, of one source if named, and only those with phones if asked."""
        return [
            u for u in self.utterances if u.split == split and source in (None, u.source) and (u.phones or not phones)
        ]

    @property
    def known(self) -> int:
        """How many phones a model must know to be trained on it: the English ones, or all where any Mandarin is."""
        return len(PHONES) if any("-" in phone for u in self.utterances for phone in u.phones) else len(ENGLISH)

    def many(self, split: str) -> str | None:
        """The source of many voices that clean training sees most of: 'flite' where it is most of a split, else all."""
        own, every = self.select(split, FLITE, phones=True), self.select(split, phones=True)
        return FLITE if 2 * sum(u.frames for u in own) > sum(u.frames for u in every) else None


def shares(pools: dict[str, list[Utterance]]) -> np.ndarray:
    """How often each source is drawn, by the square root of its length; learners and flite at most as often as in
    `shards.limited`, where there is anything else. The shares sum to 1.
    """
    found = {source: sum(u.frames for u in pool) ** 0.5 for source, pool in pools.items()}
    for source, most in ((FLITE, MOST_FLITE), (LEARNERS, MOST_LEARNERS)):
        others = sum(value for name, value in found.items() if name not in (source, LEARNERS))
        if source in found and others:
            found[source] = min(found[source], others * most / (1 - most))
    values = np.array(list(found.values()))
    return values / values.sum()


def segments(
    corpus: Corpus, split: str, batch: int, frames: int, seed: int = 0, audio: bool = True
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """A function from step to (mel (batch, frames, 100), audio (batch, frames * 160)), cut at random places.

    Sources are mixed by `shares`, longer utterances are drawn more often; what is too short is padded with silence.
    Without `audio` the second tensor is empty.
    """
    chosen = corpus.select(split)
    pools = {s: [u for u in chosen if u.source == s] for s in sorted({u.source for u in chosen})}
    names, drawn = list(pools), shares(pools)
    weights = {s: np.cumsum([u.frames for u in pool]) for s, pool in pools.items()}

    def at(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((seed, step))
        mels = np.full((batch, frames, N_MELS), -2.2, np.float32)
        waves = np.zeros((batch, frames * HOP if audio else 0), np.float32)
        for row in range(batch):
            source = names[rng.choice(len(names), p=drawn)]
            place = rng.integers(weights[source][-1])
            u = pools[source][int(np.searchsorted(weights[source], place, side="right"))]
            first = int(rng.integers(max(1, u.frames - frames + 1)))
            piece = corpus.mel(u, first, frames)
            mels[row, : len(piece)] = piece
            if audio:
                waves[row, : len(piece) * HOP] = corpus.audio(u, first, frames)
        return torch.from_numpy(mels), torch.from_numpy(waves)

    return at
