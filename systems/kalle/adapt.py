"""Test-time training: tune the language model to samples of one prompt's posterior, speak, put the weights back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsbench.systems.kalle.loss import Direction, frame_losses
from ttsbench.systems.kalle.model import Kalle
from ttsbench.systems.nn import gaussian


@dataclass(frozen=True)
class TestTime:
    """`samples` latent sequences are drawn from the prompt and seen once, `batch` at a time, at a fixed rate `lr`.

    The paper gives 1e-6 for 1B parameters and finds 200 samples best; batch size and passes are our choice.
    """

    __test__ = False  # pytest must not collect it

    samples: int = 200
    lr: float = 1e-6
    batch: int = 8
    direction: Direction = "target-predicted"


@contextlib.contextmanager
def adapted(
    model: Kalle, ids: Tensor, mean: Tensor, logs: Tensor, speaker: Tensor | None, how: TestTime, seed: int
) -> Iterator[list[float]]:
    """Inside, `model` is tuned to the prompt; outside, it is as before. Gives the loss of every update.

    The prompt is its text `ids` (1, tokens) and its posterior (1, frames, latent), in the model's coordinates. The
    speaker encoder stays as it is; the end frame is not trained on.
    """
    tuned = [p for name, p in model.named_parameters() if not name.startswith("speaker_")]
    kept = [p.detach().clone() for p in tuned]
    wanted = [p.requires_grad for p in model.parameters()]
    try:
        for p in model.parameters():
            p.requires_grad_(False)
        for p in tuned:
            p.requires_grad_(True)
        losses = _tune(model, tuned, ids, mean, logs, speaker, how, seed)
        for p in model.parameters():
            p.requires_grad_(False)
        yield losses
    finally:
        with torch.no_grad():
            for p, old in zip(tuned, kept, strict=True):
                p.copy_(old)
        for p, flag in zip(model.parameters(), wanted, strict=True):
            p.requires_grad_(flag)


def _tune(
    model: Kalle,
    tuned: list[torch.nn.Parameter],
    ids: Tensor,
    mean: Tensor,
    logs: Tensor,
    speaker: Tensor | None,
    how: TestTime,
    seed: int,
) -> list[float]:
    optimiser = torch.optim.AdamW(tuned, lr=how.lr, weight_decay=0.0)
    generator = torch.Generator(mean.device).manual_seed(seed)
    losses = []
    for first in range(0, how.samples, how.batch):
        rows = min(how.batch, how.samples - first)
        target = mean.expand(rows, -1, -1), logs.expand(rows, -1, -1)
        seen = gaussian.sample(*target, generator=generator)
        mask = torch.ones(seen.shape[:2], dtype=torch.bool, device=seen.device)
        text = ids.expand(rows, -1)
        voice = None if speaker is None else speaker.expand(rows, -1)
        predicted = model(text, torch.ones_like(text, dtype=torch.bool), seen, mask, voice)
        loss = frame_losses(predicted, target, mask, how.direction)["audio"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses
