"""Drawing speech from a decoder-only model: sampling settings, and candidates written side by side.

A `Writer` is any language model that has read its prompt. Candidates run as one batch over one cache, forked from the
prompt's, so the prompt is read once however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn from logits. Off: top_k 0, top_p 1, repetition_penalty 1. Temperature 0 takes the best.

    The defaults are the model card's. The card calls transformers' `generate`, whose older versions also cut to the
    50 likeliest tokens unasked; `top_k=50` repeats that.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether the likeliest of logits with noise is a draw: nothing cuts the distribution."""
        return self.temperature == 0 or (self.top_k == 0 and self.top_p >= 1.0)


def draw(logits: Tensor, how: Sampling, generator: torch.Generator | None, before: Tensor | None = None) -> Tensor:
    """One token a row: logits (rows, choices) to (rows,). `before` (rows, time): what the penalty looks back at.

    The order is transformers': penalty (Keskar et al. 2019), temperature, top-k, top-p (Holtzman et al. 2020).
    """
    logits = logits.float()
    if how.repetition_penalty != 1.0 and before is not None and before.shape[1]:
        seen = logits.gather(1, before)
        seen = torch.where(seen < 0, seen * how.repetition_penalty, seen / how.repetition_penalty)
        logits = logits.scatter(1, before, seen)
    if how.temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits / how.temperature
    if how.top_k and how.top_k < logits.shape[-1]:
        least = logits.topk(how.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if how.top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        chances = ordered.softmax(dim=-1)
        beyond = chances.cumsum(dim=-1) - chances >= how.top_p  # the first that crosses the line stays
        logits = logits.masked_fill(beyond.gather(1, order.argsort(dim=-1)), -torch.inf)
    chances = logits.softmax(dim=-1)
    return torch.multinomial(chances, 1, generator=generator)[:, 0]


class State(Protocol):
    """What a model remembers of every row; `systems.nn.cache.Cache` is one."""

    def fork(self, rows: int, capacity: int) -> Any: ...
    def select(self, rows: Tensor, capacity: int | None = None) -> Any: ...


class Writer(Protocol):
    """A language model that has read its prompt. A frame is (width,) integers: one token, or a step's codes."""

    width: int
    frame_rate: float  # frames a second
    limit: int  # frames after which a candidate is cut off

    def begin(self) -> tuple[State, Tensor]:
        """The prompt's state, of one row, and what its next frame is predicted from, (1, dim)."""
        ...

    def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """From hidden (rows, dim) and frames so far (rows, time, width): new frames (rows, width), ended (rows,)."""
        ...

    def read(self, frames: Tensor, state: Any) -> Tensor:
        """Take in frames (rows, width); what the next ones are predicted from, (rows, dim)."""
        ...

    def audio(self, frames: Tensor) -> np.ndarray:
        """The sound of generated frames (time, width), without the prompt, as float32 (n,)."""
        ...


@dataclass
class Cost:
    """What was spent: frames drawn, decodes to audio, verifier calls by name."""

    frames: int = 0
    decodes: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Cost) -> Cost:
        calls = {name: self.calls.get(name, 0) + other.calls.get(name, 0) for name in {**self.calls, **other.calls}}
        return Cost(self.frames + other.frames, self.decodes + other.decodes, calls)


@dataclass
class Candidate:
    """One utterance being written: its frames (time, width), whether it has ended, and verifier scores by name."""

    frames: Tensor
    ended: bool = False
    scores: dict[str, float] = field(default_factory=dict)


@dataclass
class Batch:
    """Candidates that go on: all rows are equally long and none has ended."""

    frames: Tensor
    state: Any
    hidden: Tensor


def start(writer: Writer, rows: int, capacity: int) -> Batch:
    """`rows` candidates that have said nothing yet, with room for `capacity` frames each."""
    state, hidden = writer.begin()
    frames = torch.zeros(rows, 0, writer.width, dtype=torch.long, device=hidden.device)
    return Batch(frames, state.fork(rows, capacity), hidden.expand(rows, -1))


def take(batch: Batch, rows: list[int], capacity: int) -> Batch:
    """The rows in this order, repeats allowed, with room for `capacity` frames each in all."""
    index = torch.tensor(rows, dtype=torch.long, device=batch.hidden.device)
    return Batch(batch.frames[index], batch.state.select(index, capacity), batch.hidden[index])


@torch.no_grad()
def extend(
    writer: Writer, batch: Batch, steps: int, generator: torch.Generator, cost: Cost
) -> tuple[Batch, list[int], dict[int, Candidate]]:
    """Write up to `steps` frames on every row: the rows that go on, which ones they were, and those that ended.

    Rows are named by their place in the batch that was given. A row that reaches the writer's limit has ended.
    """
    place, capacity = list(range(len(batch.hidden))), batch.frames.shape[1] + steps
    ended: dict[int, Candidate] = {}
    for _ in range(steps):
        if not place:
            break
        drawn, over = writer.next(batch.hidden, batch.frames, generator)
        cost.frames += len(place)
        going = [row for row, is_over in enumerate(over.tolist()) if not is_over]
        if len(going) < len(place):
            ended |= {place[row]: Candidate(batch.frames[row], True) for row in set(range(len(place))) - set(going)}
            place, drawn = [place[row] for row in going], drawn[going]
            batch = take(batch, going, capacity)
        batch.frames = torch.cat([batch.frames, drawn[:, None]], dim=1)
        if batch.frames.shape[1] >= writer.limit:
            ended |= {name: Candidate(batch.frames[row], True) for row, name in enumerate(place)}
            return take(batch, [], capacity), [], ended
        if place:
            batch.hidden = writer.read(drawn, batch.state)
    return batch, place, ended
