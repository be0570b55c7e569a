"""Which symbols of a training example are hidden: three regimes, from nothing visible to finer levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ttsbench.systems.mobilespeech.design import Design


def draw(frames: int, design: Design, generator: torch.Generator) -> tuple[int, Tensor]:
    """A level (from 0) and the frames hidden in it, bool (frames,), at least one of them True.

    Levels below stand open, levels above are hidden whole. With probability `first` the level is the first, and then
    all of it is hidden with probability 1 - `alpha`; else a level j is drawn in proportion to N - j + 1 (j from 1).
    A share cos(u), u uniform in (0, pi/2), of the frames is hidden (SoundStorm). The three rates are our choice.
    """
    count = len(design.levels)
    everything = False
    if design.plain_masks:
        level = int(torch.randint(count, (), generator=generator))
    elif count == 1 or _uniform(generator) < design.first:
        level, everything = 0, _uniform(generator) > design.alpha
    else:
        weights = torch.arange(count - 1, 0, -1, dtype=torch.float32)
        level = 1 + int(torch.multinomial(weights, 1, generator=generator))
    if everything:
        return level, torch.ones(frames, dtype=torch.bool)
    share = math.cos(_uniform(generator) * math.pi / 2)
    hidden = torch.rand(frames, generator=generator) < share
    hidden[int(torch.randint(frames, (), generator=generator))] = True
    return level, hidden


def remaining(frames: int, passes: int) -> list[int]:
    """How many frames are still hidden after each of `passes` passes: floor(frames * cos(pi/2 * i/passes)), then 0."""
    return [math.floor(frames * math.cos(math.pi / 2 * i / passes)) for i in range(1, passes)] + [0]


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
