"""Training examples of small Llasa: one utterance, or two of a speaker, the first of which acts as the prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttsbench.systems.llasa.small import Texts, places
from ttsbench.systems.nn.guide import phone_shares
from ttsbench.systems.training.data import speaker_shares

TEXTLESS = 0.1  # share of prompts whose text is hidden, so that prompts without a transcript work
HOLES = 0.3  # up to this share of past frames is hidden
PROMPT = 250  # frames of the longest utterance that acts as a prompt
POOL = 256  # examples among which those of similar length are put together


@dataclass(frozen=True)
class Clip:
    """One utterance: phones (phones,), their `ends` in frames (phones,), codes (frames, digits), and who speaks."""

    phones: np.ndarray
    ends: np.ndarray
    codes: np.ndarray
    speaker: str


@dataclass(frozen=True)
class Batch:
    """Padded examples. `shares` (batch, frames + 1, phones): what sounds in which frame, zeros where nothing is known;
    `lengths` (batch,) in frames."""

    texts: Texts
    codes: Tensor
    lengths: Tensor
    shares: Tensor
    holes: Tensor


def example(clips: Sequence[Clip], pace: float, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Phones, their positions, codes (frames, digits) and shares (frames, phones) of one or two clips in a row.

    The clock is that of synthesis: the first of two spreads its phones over its frames, the last one keeps to `pace`.
    """
    starts = [0, *np.cumsum([len(clip.codes) for clip in clips])[:-1].tolist()]
    codes = torch.from_numpy(np.concatenate([clip.codes for clip in clips]).astype(np.int64))
    counts = [len(clip.phones) for clip in clips]
    shares = torch.zeros(len(codes), sum(counts))
    for index, (clip, start) in enumerate(zip(clips, starts, strict=True)):
        column, stop = sum(counts[:index]), start + len(clip.codes)
        known = phone_shares(torch.from_numpy(clip.ends.astype(np.float32)), len(clip.codes))
        shares[start:stop, column : column + counts[index]] = known
    phones = torch.from_numpy(np.concatenate([clip.phones for clip in clips]).astype(np.int64))
    positions = places(counts, starts, [*(len(clip.codes) / len(clip.phones) for clip in clips[:-1]), pace])
    if len(clips) > 1 and rng.random() < TEXTLESS:
        phones, positions, shares = phones[counts[0] :], positions[counts[0] :], shares[:, counts[0] :]
    return phones, positions, codes, shares


def collate(examples: Sequence[tuple[Tensor, ...]], rng: np.random.Generator) -> Batch:
    """Pad examples to a batch; some past frames get holes."""
    from torch.nn.utils.rnn import pad_sequence

    phones, positions, codes, shares = zip(*examples, strict=True)
    lengths = torch.tensor([len(item) for item in codes])
    padded = pad_sequence(list(codes), batch_first=True)
    batch, time = padded.shape[:2]
    table = torch.zeros(batch, time + 1, max(len(item) for item in phones))
    for row, item in enumerate(shares):
        table[row, : item.shape[0], : item.shape[1]] = item
    chances = rng.uniform(0, HOLES, (batch, 1))
    holes = torch.from_numpy(rng.random((batch, time)) < chances)
    texts = Texts(pad_sequence(list(phones), batch_first=True), pad_sequence(list(positions), batch_first=True))
    return Batch(texts, padded, lengths, table, holes)


def batches(
    clips: Sequence[Clip], frames: int, pace: float, pairs_from: int = 0, seed: int = 0
) -> Callable[[int], Batch]:
    """A function from step to batch, drawn from (seed, step) and by `speaker_shares`: at most `frames` frames, padding
    included.

    Before step `pairs_from` one utterance an example, the shorter ones first; then three batches in four are pairs.
    """
    order = np.argsort([len(clip.codes) for clip in clips], kind="stable")
    shares = speaker_shares([clip.speaker for clip in clips], [len(clip.codes) for clip in clips])[order]
    prompts: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if len(clip.codes) <= PROMPT:
            prompts.setdefault(clip.speaker, []).append(index)

    def at(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        reach = 1.0 if step >= pairs_from else 0.4 + 0.6 * step / pairs_from
        paired = step >= pairs_from and rng.random() < 0.75
        pool: list[list[Clip]] = []
        short = shares[: max(1, int(len(order) * reach))]
        for pick in rng.choice(len(short), size=POOL, p=short / short.sum()):
            clip = clips[order[pick]]
            before = prompts.get(clip.speaker, []) if paired else []
            pool.append([clips[int(rng.choice(before))], clip] if before else [clip])
        groups = _alike(pool, frames)
        return collate([example(item, pace, rng) for item in groups[rng.integers(len(groups))]], rng)

    return at


def _alike(pool: list[list[Clip]], frames: int) -> list[list[list[Clip]]]:
    """Examples of similar length together, at most `frames` a group with padding (but one example at least)."""
    groups: list[list[list[Clip]]] = [[]]
    for item in sorted(pool, key=_length):
        if groups[-1] and (len(groups[-1]) + 1) * _length(item) > frames:
            groups.append([])
        groups[-1].append(item)
    return groups[:-1] or groups  # the last one is seldom full


def _length(item: list[Clip]) -> int:
    return sum(len(clip.codes) for clip in item)
