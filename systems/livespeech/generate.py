"""Speaking: frames of codes leave one by one while later ones are still to be generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsbench.systems.livespeech.design import Design
from ttsbench.systems.livespeech.loss import delay
from ttsbench.systems.livespeech.model import LiveSpeech, Memory


@dataclass(frozen=True)
class Sampling:
    """The first `sampled` codebooks are drawn from the `top_k` likeliest at `temperature`, the rest are the likeliest.

    The paper scans temperature 1.0 to 1.2, top_k 10 to 20 and 1 to 16 sampled codebooks, and does not name the winner.
    Speech ends by itself, but never under `fastest` nor over 2 s plus `slowest` seconds per symbol. The end comes where
    it is likelier than `end`, since one unlucky draw in some hundred steps would cut speech off; where `end` is None it
    is drawn like any other symbol of the first codebook. The paper does not say which.
    `guidance` (1: none; not in the paper) moves the logits that far away from what would be said without the text,
    classifier-free guidance (Ho and Salimans 2022), for twice the work in a step.
    """

    temperature: float = 1.0
    top_k: int = 15
    sampled: int = 4
    end: float | None = 0.5
    fastest: float = 0.045
    slowest: float = 0.15
    guidance: float = 1.0

    def bounds(self, symbols: int, frame_rate: float) -> tuple[int, int]:
        """The least and the largest number of frames for a text of so many symbols."""
        return int(frame_rate * self.fastest * symbols), int(frame_rate * (2 + self.slowest * symbols))


def forbidden(design: Design) -> Tensor:
    """What a codebook can never say, (codebooks, vocabulary): padding, codes above its size, misplaced ends."""
    sizes = torch.tensor(design.codebooks)[:, None]
    table = torch.arange(design.vocabulary)[None] >= sizes
    table[0, design.eos] = False
    return table


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """One symbol per codebook, (codebooks,), from logits (codebooks, vocabulary)."""
    row = logits.argmax(dim=-1)
    n = min(sampling.sampled, len(logits))
    if n and sampling.temperature > 0:
        best, index = logits[:n].topk(min(sampling.top_k, logits.shape[-1]), dim=-1)
        drawn = torch.multinomial((best / sampling.temperature).softmax(-1), 1, generator=generator)
        row[:n] = index.gather(1, drawn)[:, 0]
    return row


@torch.inference_mode()
def frames(
    model: LiveSpeech,
    memory: Memory,
    symbols: int,
    sampling: Sampling,
    generator: torch.Generator,
    history: Tensor | None = None,
    told: int = 0,
) -> Iterator[Tensor]:
    """Frames of codes, (codebooks,) each, as soon as their last codebook is known: `codebooks` - 1 steps later.

    `memory` of one utterance, `symbols` its text length. `history` (frames, codebooks): codes of what was said before,
    the first `told` symbols, for a continuation; they are not given out again, and count in the bounds.
    """
    design = model.design
    pad, count = design.pad, design.count
    least, most = sampling.bounds(symbols, design.frame_rate)
    never = forbidden(design).to(memory.vectors.device)
    known = 0 if history is None else len(history)
    least = max(least, known + sampling.bounds(symbols - told, design.frame_rate)[0]) if known else least
    most = max(most, least, known + 1)
    guided = sampling.guidance != 1.0
    if guided:
        memory = model.with_textless(memory)
    batch = len(memory.vectors)
    state = model.begin(capacity=most + count + 1, batch=batch)
    rows = torch.full((batch, 0, count), pad, device=memory.vectors.device)
    window: list[list[int]] = []  # the last rows of the delayed grid
    if history is not None and known:
        grid = delay(history[None], torch.tensor([known], device=history.device), pad, design.eos)
        rows, window = grid[:, :known].expand(batch, -1, -1), grid[0, :known].tolist()
    end: int | None = None
    step = known
    while end is None or step - count + 1 < end:
        both = model(rows, memory, state=state)[:, -1].float().masked_fill(never, -1e4)
        sure = step >= least and sampling.end is not None and end is None
        ended = step >= most or (sure and float(both[0, 0].softmax(-1)[design.eos]) > (sampling.end or 0.0))
        logits = both[1] + sampling.guidance * (both[0] - both[1]) if guided else both[0]
        if step < least or end is not None or sampling.end is not None:
            logits[0, design.eos] = -1e4
        row = choose(logits, sampling, generator).tolist()
        ended = ended or row[0] == design.eos
        for q in range(count):
            frame = step - q
            if frame < 0 or (end is not None and frame >= end):
                row[q] = pad
            elif frame < known and history is not None:
                row[q] = int(history[frame, q])
        if end is None and ended:
            end, row[0] = step, design.eos
        window.append(row)
        done = step - count + 1
        if done >= known and (end is None or done < end):
            yield torch.tensor([window[q - count][q] for q in range(count)])
        window = window[-count:]
        rows = torch.tensor([[row]], device=rows.device).expand(batch, -1, -1)
        step += 1
