"""Batches for KALL-E's language model: phones with their ends, latent posteriors, mel slices of the same speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ttsbench.systems.training.data import speaker_shares

START = 41  # the token after the phones, at which speech begins; of a model that knows English alone
PROMPT = 63  # frames of the longest utterance that goes before another one in training, 5 s


@dataclass(frozen=True)
class Clip:
    """One utterance: phone ids (n,), their ends in latent frames (n,), the posterior's mean and log-deviation
    (frames, latent), log-mels (10 ms frames, mels), and who speaks. `told`: how many of the phones and of the frames
    are those of a prompt.
    """

    phones: np.ndarray
    ends: np.ndarray
    mean: np.ndarray
    logs: np.ndarray
    mel: np.ndarray
    speaker: str
    told: tuple[int, int] = (0, 0)
    id: str = ""

    @property
    def columns(self) -> int:
        return len(self.phones) + len(self.mean) + 2


def joined(first: Clip, second: Clip) -> Clip:
    """Two utterances of a speaker as one: the first one acts as the prompt, its text and latents go before."""
    return Clip(
        np.concatenate([first.phones, second.phones]),
        np.concatenate([first.ends, second.ends + len(first.mean)]),
        np.concatenate([first.mean, second.mean]),
        np.concatenate([first.logs, second.logs]),
        second.mel,
        second.speaker,
        (len(first.phones), len(first.mean)),
    )


@dataclass
class Batch:
    """`ids`, `text_mask` (batch, tokens), left-padded; `mean`, `logs` (batch, frames, latent); `mask` (batch, frames);
    `voice` (batch, 10 ms frames, mels); `shares` (batch, frames, tokens): who sounds in which frame; `told` (batch, 2):
    how many phones and frames of each row are a prompt's.
    """

    ids: Tensor
    text_mask: Tensor
    mean: Tensor
    logs: Tensor
    mask: Tensor
    voice: Tensor
    shares: Tensor
    told: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(getattr(self, item.name).to(device) for item in fields(self)))


def shares_of(ends: np.ndarray, frames: int) -> np.ndarray:
    """Share of each phone in each frame, (frames, phones), rows sum to 1 where any phone sounds."""
    starts = np.concatenate([[0.0], ends[:-1]])
    edges = np.arange(frames, dtype=np.float32)[:, None]
    overlap = np.clip(np.minimum(ends, edges + 1) - np.maximum(starts, edges), 0, None)
    return overlap / np.maximum(overlap.sum(axis=1, keepdims=True), 1e-6)


def collate(clips: Sequence[Clip], voices: Sequence[np.ndarray], start: int = START) -> Batch:
    """Pad the clips; text on the left, so that all speech begins at the same column."""
    rows, tokens = len(clips), max(len(c.phones) for c in clips) + 1
    frames, latent = max(len(c.mean) for c in clips), clips[0].mean.shape[1]
    ids, text_mask = np.zeros((rows, tokens), np.int64), np.zeros((rows, tokens), bool)
    mean, logs = np.zeros((2, rows, frames, latent), np.float32)
    mask, shares = np.zeros((rows, frames), bool), np.zeros((rows, frames, tokens), np.float32)
    for row, clip in enumerate(clips):
        first, length = tokens - 1 - len(clip.phones), len(clip.mean)
        ids[row, first:-1], ids[row, -1] = clip.phones, start
        text_mask[row, first:] = True
        mean[row, :length], logs[row, :length] = clip.mean, clip.logs
        mask[row, :length] = True
        shares[row, :length, first:-1] = shares_of(clip.ends, length)
    arrays = (ids, text_mask, mean, logs, mask, np.stack(voices), shares, np.array([clip.told for clip in clips]))
    return Batch(*(torch.from_numpy(array) for array in arrays))


def slice_of(mel: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """A random slice (frames, mels); a short mel is repeated."""
    if len(mel) < frames:
        mel = np.tile(mel, (-(-frames // len(mel)), 1))
    first = int(rng.integers(len(mel) - frames + 1))
    return np.asarray(mel[first : first + frames], dtype=np.float32)


def batches(
    clips: Sequence[Clip], columns: int, seed: int = 0, easy: int = 0, pairs: float = 0.0, start: int = START
) -> Callable[[int], Batch]:
    """A function from step to batch: about `columns` columns of clips of like length, drawn by `speaker_shares`, the
    voice of another utterance.

    During the first `easy` steps long clips are left out, ever fewer of them (a curriculum). After them this share
    `pairs` of the batches has another utterance of the speaker before each clip, of at most PROMPT frames.
    """
    order = np.array(sorted(range(len(clips)), key=lambda i: clips[i].columns))
    shares = speaker_shares([clip.speaker for clip in clips], [len(clip.mean) for clip in clips])
    weights = np.cumsum([shares[i] * clips[i].columns for i in order])
    others: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        others.setdefault(clip.speaker, []).append(index)
    prompts = {name: [i for i in found if len(clips[i].mean) <= PROMPT] for name, found in others.items()}

    def prompted(clip: Clip, rng: np.random.Generator) -> Clip:
        before = prompts[clip.speaker]
        return joined(clips[int(rng.choice(before))], clip) if before else clip

    def at(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        reach = 1.0 if step >= easy else 0.3 + 0.7 * step / easy
        paired = step >= easy and rng.random() < pairs
        top = weights[max(1, int(reach * len(order))) - 1]
        middle = min(len(order) - 1, int(np.searchsorted(weights, rng.random() * top, side="right")))
        count = max(1, columns // (clips[order[middle]].columns + (2 * PROMPT if paired else 0)))
        window = order[max(0, middle - 2 * count) : middle + 2 * count + 1]
        alike = shares[window] / shares[window].sum()
        chosen = [clips[i] for i in rng.choice(window, size=min(count, len(window)), replace=False, p=alike)]
        span = int(rng.integers(100, 300))
        voices = [slice_of(clips[int(rng.choice(others[clip.speaker]))].mel, span, rng) for clip in chosen]
        return collate([prompted(clip, rng) for clip in chosen] if paired else chosen, voices, start)

    return at
