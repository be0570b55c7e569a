"""What the benchmarks of full-size models share: a step recorded as a CUDA graph, random weights, a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.transformer import Transformer

CHUNK = 5  # frames that are decoded together, after the first


@dataclass(frozen=True)
class Place:
    """Where and how large."""

    device: torch.device
    dtype: torch.dtype
    seconds: float
    tiny: bool
    compiled: bool


class Replay:
    """The same step again and again: on a GPU a graph that is recorded here, elsewhere a call."""

    def __init__(self, advance: Callable[[], None], device: torch.device) -> None:
        self.advance, self.graph = advance, None
        if device.type == "cuda":
            side = torch.cuda.Stream(device)
            side.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(side):
                for _ in range(3):
                    advance()
            torch.cuda.current_stream(device).wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                advance()

    def __call__(self) -> None:
        if self.graph is None:
            self.advance()
        else:
            self.graph.replay()


class Stepper:
    """A transformer that reads one position after the other at fixed addresses, from `place` on."""

    def __init__(self, model: Transformer, cache: Cache, place: Tensor) -> None:
        self.model, self.cache, self.place = model, cache, place
        for pair in cache.own:
            for buffer in pair:
                buffer.zero_()  # fresh memory may hold NaN, which no mask hides
        self.step = model.ready(cache)
        self.places = torch.arange(cache.capacity, device=place.device)

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, dim) to (rows, dim), the final norm done."""
        low = torch.finfo(x.dtype).min / 2
        bias = torch.zeros_like(self.places, dtype=x.dtype).masked_fill(self.places > self.place, low)
        return self.model.norm(self.step.static(x, self.model._angles(self.place), self.cache, self.place, bias))


@torch.inference_mode()
def disagreement(model: Transformer, rows: int, place: Place, steps: int = 8) -> float:
    """How far the replayed step is from the plain one over `steps` positions: the largest difference in the outputs, in
    parts of their deviation. The memory of cross-attention is left out: shapes with one give nan.
    """
    shape = model.shape
    if shape.memory_dim is not None:
        return float("nan")
    x = torch.randn(steps, rows, shape.dim, device=place.device, dtype=place.dtype)
    plain = Cache(shape, rows, steps + 1, place.device, place.dtype)
    expected = torch.stack([model(row[:, None], cache=plain)[:, 0] for row in x])
    cache, at = Cache(shape, rows, steps + 1, place.device, place.dtype), torch.tensor([0], device=place.device)
    given, made = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    reader = Stepper(model, cache, at)

    def advance() -> None:
        made.copy_(reader(given))
        at.add_(1)

    replay = Replay(advance, place.device)
    at.zero_()
    found = []
    for row in x:
        given.copy_(row)
        replay()
        found.append(made.clone())
    apart = (torch.stack(found) - expected).abs().max() / expected.float().std()
    return float(apart)


def drawn(logits: Tensor, temperature: float) -> Tensor:
    """One index a row (..., choices): the likeliest after Gumbel noise, so nothing is asked of the host."""
    noise = torch.empty_like(logits, dtype=torch.float32).exponential_().log_()
    return (logits.float() / temperature - noise).argmax(dim=-1)


def ready(build: Callable[[], nn.Module], place: Place) -> Any:
    """A model on its device without a copy elsewhere; the weights are small random numbers."""
    with torch.device("meta"):
        model = build().to(place.dtype)
    model = model.to_empty(device=place.device).eval().requires_grad_(False)
    for weight in [*model.parameters(), *model.buffers()]:
        if weight.is_floating_point():
            weight.normal_(std=0.02)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if not buffer.is_floating_point():
                module.register_buffer(name, torch.zeros_like(buffer), persistent=False)
    return model


def encodec(codebooks: int, place: Place) -> EnCodec:
    """Built for real (it is small): its sizes are buffers."""
    return EnCodec(codebooks).to(place.device, place.dtype).eval().requires_grad_(False)


def timed(speak: Callable[[], Iterable[Tensor]], rate: float, place: Place, repeats: int) -> tuple[float, float, float]:
    """Seconds of speech, of the fastest run, and to the first chunk on the host; one run goes before."""
    total = first = float("inf")
    samples = 0
    for turn in range(repeats + 1):
        if place.device.type == "cuda":
            torch.cuda.synchronize(place.device)
        start, arrived, samples = time.perf_counter(), None, 0
        for piece in speak():
            samples += piece.float().cpu().shape[-1]
            arrived = arrived or time.perf_counter() - start
        if turn and arrived is not None:
            total, first = min(total, time.perf_counter() - start), min(first, arrived)
    return samples / rate, total, first


def in_chunks(
    frames: Callable[[int], Tensor], advance: Callable[[], None], count: int, late: int = 0
) -> Iterator[Tensor]:
    """Run `count` + `late` steps; frames(n) are those that are done, given out in chunks as they come."""
    given = 0
    for step in range(1, count + late + 1):
        advance()
        done = step - late
        if done - given >= CHUNK or done == count:
            yield frames(done)[:, given:done]
            given = done


def size_of(*modules: nn.Module) -> tuple[int, float]:
    """Parameters and bytes."""
    weights = [p for module in modules for p in module.parameters()]
    return sum(p.numel() for p in weights), float(sum(p.numel() * p.element_size() for p in weights))
