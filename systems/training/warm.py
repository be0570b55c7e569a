"""A training that begins with another checkpoint's weights in place of random ones."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems import packing, weights

RATE = 1 / 3  # of the learning rate of a training from nothing: a higher one unlearns first what the weights know


def rate(learning: float, start: Path | None) -> float:
    """The learning rate of a training that begins with `start` (None: from nothing, at the rate `learning`)."""
    return learning if start is None else learning * RATE


@torch.no_grad()
def begin_from(model: nn.Module, path: Path | None) -> list[str]:
    """Give `model` the weights in `path` (None: none) that it has under the same names; the names of those that stay.

    Of tables with more or fewer rows (phones, vectors) the rows that both have are taken. Buffers stay as they are.
    MissingFile where there is no such file, UserError where nothing in it fits.
    """
    if path is None:
        return []
    if not path.is_file():
        raise MissingFile(f"{path}: no checkpoint to begin with")
    found, stays = packing.unpack(weights.read(path)), []
    for name, own in model.named_parameters():
        given = found.get(name)
        if given is None or given.ndim != own.ndim or given.shape[1:] != own.shape[1:]:
            stays.append(name)
            continue
        rows = min(len(given), len(own))
        own[:rows] = given[:rows].to(own)
    if len(stays) == len(list(model.parameters())):
        raise UserError(f"{path}: holds nothing of this model ({stays[0]} and the others are missing)")
    return stays


@torch.no_grad()
def keep(model: nn.Module, path: Path, share: float) -> None:
    """Mix the weights in `path`, at `share` (0 to 1), into those of `model` or of its part `model`, by name.

    Weights between a model and what it was tuned to forget less and keep most of what was learned (Wortsman et al.
    2022, arXiv 2109.01903). UserError where they have none in common.
    """
    found, mixed = packing.unpack(weights.read(path)), 0
    for name, own in model.named_parameters():
        given = found.get(name, found.get(name.removeprefix("model.")))
        if given is not None and given.ndim == own.ndim and given.shape[1:] == own.shape[1:]:
            rows, mixed = min(len(given), len(own)), mixed + 1
            own[:rows].lerp_(given[:rows].to(own), share)
    if not mixed:
        raise UserError(f"{path}: holds nothing of this model, so nothing of it can be kept")
