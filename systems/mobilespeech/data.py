"""Training batches: utterances of like length, each with a piece of another utterance of its speaker as prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ttsbench.systems.mobilespeech.loss import Batch

PROMPT_SECONDS = (2.0, 4.0)


@dataclass(frozen=True)
class Example:
    """`phones` numbers from 1; `frames` of each, summing to the T of `codes`, small integers (T, K)."""

    speaker: str
    phones: tuple[int, ...]
    frames: tuple[int, ...]
    codes: np.ndarray


def whole_durations(ends: Sequence[float], frames: int, rate: float) -> tuple[int, ...]:
    """End times in seconds to frames of each phone at `rate`: rounded ends, their differences, `frames` in all."""
    edges = np.clip(np.round(np.asarray(ends) * rate).astype(int), 0, frames)
    edges[-1] = frames
    return tuple(int(step) for step in np.diff(edges, prepend=0))


class Batches:
    """`batches(step)` is a Batch of about `budget` frames, drawn from (seed, step) alone.

    Prompts of a batch have one length (2 to 4 s); a speaker's shorter utterances are padded at their left.
    """

    def __init__(
        self, examples: Sequence[Example], rate: float, stride: int, budget: int = 3000, seed: int = 0
    ) -> None:
        self.examples = list(examples)
        self.rate, self.stride, self.budget, self.seed = rate, stride, budget, seed
        self.mates: dict[str, list[int]] = defaultdict(list)
        for number, example in enumerate(self.examples):
            self.mates[example.speaker].append(number)
        self.usable = [n for n, e in enumerate(self.examples) if len(self.mates[e.speaker]) > 1]
        if not self.usable:
            raise ValueError(f"{len(self.examples)} examples, but no speaker has two, one of which could be the prompt")
        self.plans: list[list[list[int]]] = []

    def __call__(self, step: int) -> Batch:
        epoch = 0
        while True:
            if epoch == len(self.plans):
                self.plans.append(self.plan(epoch))
            if step < len(self.plans[epoch]):
                return self.make(self.plans[epoch][step], np.random.default_rng((self.seed, epoch, step)))
            step -= len(self.plans[epoch])
            epoch += 1

    def plan(self, epoch: int) -> list[list[int]]:
        """All usable examples once, those of like length together, batches in random order."""
        rng = np.random.default_rng((self.seed, epoch))
        lengths = np.array([len(self.examples[n].codes) for n in self.usable], dtype=float)
        order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
        batches: list[list[int]] = [[]]
        longest = 0
        for place in order:
            number = self.usable[place]
            longest = max(longest, len(self.examples[number].codes))
            if batches[-1] and longest * (len(batches[-1]) + 1) > self.budget:
                batches.append([])
                longest = len(self.examples[number].codes)
            batches[-1].append(number)
        return [batches[n] for n in rng.permutation(len(batches))]

    def make(self, numbers: Sequence[int], rng: np.random.Generator) -> Batch:
        """The examples `numbers` as tensors, prompts drawn with `rng`."""
        chosen = [self.examples[n] for n in numbers]
        columns = chosen[0].codes.shape[1]
        prompt_length = int(rng.uniform(*PROMPT_SECONDS) * self.rate) // self.stride * self.stride
        phones = np.zeros((len(chosen), max(len(e.phones) for e in chosen)), dtype=np.int64)
        frames = np.zeros_like(phones)
        codes = np.zeros((len(chosen), max(len(e.codes) for e in chosen), columns), dtype=np.int64)
        prompt = np.zeros((len(chosen), prompt_length, columns), dtype=np.int64)
        mask = np.zeros((len(chosen), prompt_length), dtype=bool)
        for row, (number, example) in enumerate(zip(numbers, chosen, strict=True)):
            phones[row, : len(example.phones)] = example.phones
            frames[row, : len(example.frames)] = example.frames
            codes[row, : len(example.codes)] = example.codes
            piece = self._prompt(number, prompt_length, rng)
            prompt[row, prompt_length - len(piece) :] = piece
            mask[row, prompt_length - len(piece) :] = True
        tensors = [torch.from_numpy(array) for array in (phones, frames, codes, prompt)]
        return Batch(*tensors, None if mask.all() else torch.from_numpy(mask))

    def _prompt(self, number: int, length: int, rng: np.random.Generator) -> np.ndarray:
        """At most `length` frames, a multiple of the stride, of another utterance of the same speaker."""
        mates = self.mates[self.examples[number].speaker]
        mate = number
        while mate == number:
            mate = mates[int(rng.integers(len(mates)))]
        codes = self.examples[mate].codes
        length = min(length, len(codes) // self.stride * self.stride)
        start = int(rng.integers(len(codes) - length + 1))
        return codes[start : start + length]
