"""What training minimises: hidden symbols of one level in each example, and phone durations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.systems.mobilespeech import masking
from ttsbench.systems.mobilespeech.design import Design
from ttsbench.systems.mobilespeech.model import MobileSpeech, hide_from


@dataclass(frozen=True)
class Batch:
    """Phones (B, P) with 0 as padding, their frames (B, P), symbols (B, T, K), prompt symbols (B, R, K), its mask.

    Prompts are padded at their left (`model.Joined`), everything else at its right.
    """

    phones: Tensor
    frames: Tensor
    codes: Tensor
    prompt: Tensor
    prompt_mask: Tensor | None = None

    def to(self, device: str) -> Batch:
        mask = None if self.prompt_mask is None else self.prompt_mask.to(device)
        phones, frames = self.phones.to(device), self.frames.to(device)
        return Batch(phones, frames, self.codes.to(device), self.prompt.to(device), mask)


def draw_masks(batch: Batch, model: MobileSpeech, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each example its level (B,) and the frames hidden in it (B, T); padding is never among them."""
    drawn = [masking.draw(int(length), model.design, generator) for length in batch.frames.sum(dim=1)]
    hidden = torch.zeros(batch.codes.shape[:2], dtype=torch.bool)
    for row, (_, mask) in enumerate(drawn):
        hidden[row, : len(mask)] = mask
    return torch.tensor([level for level, _ in drawn]).to(batch.codes.device), hidden.to(batch.codes.device)


Masks = tuple[Tensor, Tensor]  # of `draw_masks`


def losses(
    model: MobileSpeech, batch: Batch, level: Tensor, hidden: Tensor, *more: Masks, voiceless: bool = False
) -> dict[str, Tensor]:
    """`loss` = `symbols` + `durations`, and `level_n`, the cross-entropy (nats a symbol) of each level drawn.

    Cross-entropy: mean over the hidden frames of each example's level, times that level's weight. Durations:
    mean over real phones of (log(1 + predicted) - log(1 + true))^2. `more`: other masks of the same batch, whose text
    and prompt are encoded once; cross-entropies are means over all of them. `voiceless`: the prompt is hidden.
    """
    text, text_mask = model.text(batch.phones)
    heard, heard_mask = model.hear(batch.prompt, batch.prompt_mask, voiceless)
    predicted = model.predict_durations(text, text_mask, heard, heard_mask)
    gaps = (torch.log1p(predicted) - torch.log1p(batch.frames.float())).square()
    found = {"durations": gaps[text_mask].mean()}
    x, mask, read = model.condition(text, batch.frames, heard, heard_mask)
    conditioned = (x, mask, read, heard_mask)
    parts = [symbol_losses(model, batch, conditioned, *masks) for masks in ((level, hidden), *more)]
    total = torch.stack([part.pop("symbols") for part in parts]).mean()
    for name in sorted({name for part in parts for name in part}):
        found[name] = torch.stack([part[name] for part in parts if name in part]).mean()
    return {"loss": total + found["durations"], "symbols": total.detach(), **found}


def symbol_losses(
    model: MobileSpeech, batch: Batch, conditioned: tuple[Tensor, Tensor, Tensor, Tensor | None], level: Tensor,
    hidden: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """`symbols` and `level_n` of one draw of masks. `conditioned`: X and its mask, the prompt and its mask."""
    x, mask, read, heard_mask = conditioned
    states = model.states(x, mask, read, heard_mask, batch.codes, hide_from(level, hidden, model.design))
    total, found = states.new_zeros((), dtype=torch.float32), {}
    for number in range(len(model.design.levels)):
        chosen = hidden & (level == number)[:, None]
        if not chosen.any():
            continue
        targets = batch.codes[chosen][:, model.design.slice(number)]
        parts = model.logits(states[chosen], number)
        entropy = torch.stack([F.cross_entropy(part, targets[:, i]) for i, part in enumerate(parts)]).mean()
        found[f"level_{number + 1}"] = entropy.detach()
        weight = model.design.loss_weights[number] if model.design.loss_weights else 1.0
        total = total + weight * entropy * (chosen.sum() / hidden.sum())
    return {"symbols": total, **found}


def forgetful(design: Design, generator: torch.Generator) -> Design:
    """The design for one batch, perhaps without cross-attention or without prompt durations (see `Design.forget`)."""
    lucky = float(torch.rand((), generator=generator))
    if lucky < design.forget / 2:
        return replace(design, cross_attention=False)
    return replace(design, prompt_durations=False) if lucky < design.forget else design
