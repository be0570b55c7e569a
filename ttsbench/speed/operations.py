"""Floating-point operations, each number under a named convention.

Counts come from torch's own counter: on the meta device for the full-size models, without weights, and on the run
itself for anything in Python. What a number means depends on five choices; see `Convention`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ttsbench import audio, systems, testsets
from ttsbench.errors import UserError
from ttsbench.records import Cost, Recorded


@dataclass(frozen=True)
class Convention:
    """How operations are counted.

    `per_multiply_add` 1 or 2. `attention`: products of activations in. `cache`: keys and values are kept, else every
    step reads everything again. `codec`: decoding to audio in. `prompt`: reading the prompt and its encoder in.
    `norms`: layer and group norms at 5 an element. `unused`: heads that run although nothing reads them in.
    """

    name: str
    per_multiply_add: int
    attention: bool
    cache: bool
    codec: bool
    prompt: bool
    norms: bool = False
    unused: bool = False

    def words(self) -> str:
        """The convention in a sentence."""
        parts = [
            f"a multiply-add is {self.per_multiply_add}",
            "attention products in" if self.attention else "attention products out",
            "keys and values cached" if self.cache else "no cache, every step reads all positions again",
            "codec in" if self.codec else "codec out",
            "prompt in" if self.prompt else "no prompt and no text tokens",
        ]
        return ", ".join(parts)


PUBLISHED = Convention(
    "kalle-paper", 1, attention=False, cache=False, codec=True, prompt=False, norms=True, unused=True
)
HONEST = Convention("as-run", 2, attention=True, cache=True, codec=True, prompt=True)
NO_CACHE = Convention("as-run-without-cache", 2, attention=True, cache=False, codec=True, prompt=True)
MODEL_ONLY = Convention("model-only", 2, attention=True, cache=True, codec=False, prompt=False)
CONVENTIONS = (PUBLISHED, HONEST, NO_CACHE, MODEL_ONLY)


def operations(costs: Sequence[Cost], convention: Convention) -> float:
    """Operations of one utterance under a convention; 1e9 of them are a GFLOP."""
    total = 0.0
    for cost in costs:
        counted = {"codec": convention.codec, "prompt": convention.prompt, "unused": convention.unused}
        if not counted.get(cost.role, True):
            continue
        linear, attention, norms = _times(cost, convention)
        total += convention.per_multiply_add * linear
        total += convention.per_multiply_add * attention if convention.attention else 0.0
        total += norms if convention.norms else 0.0
    return total


def _times(cost: Cost, convention: Convention) -> tuple[float, float, float]:
    """Multiply-adds (linear, attention) and norm operations of one part over the utterance."""
    if not cost.steps:
        return cost.linear, cost.attention, cost.norms
    prefix = cost.prefix if convention.prompt else 0
    steps = cost.steps
    if cost.role in ("head", "unused"):  # reads the last position alone
        return cost.linear * steps, 0.0, cost.norms * steps
    total = prefix + steps
    if convention.cache:
        return cost.linear * total, cost.attention * total * (total + 1) / 2, 0.0
    read = sum(range(prefix + 1, total + 1))  # positions read over all steps
    pairs = sum(length * length for length in range(prefix + 1, total + 1))
    return cost.linear * read, cost.attention * pairs, 0.0


def computed(name: str, seconds: float) -> dict[str, Any]:
    """GFLOP of one of our own systems at full size for `seconds` of speech, under every convention, as text."""
    costs, parameters = systems.costs(name, seconds)
    figures = {c.name: f"{operations(costs, c) / 1e9:,.2f}" for c in CONVENTIONS}
    return {"system": name, "parameters": f"{parameters:,}", **figures}


def counted(spec: str) -> dict[str, Any]:
    """GFLOP of one utterance of seed-mini, counted while it is made. Raises UserError where torch sees no work."""
    from ttsbench.systems.nn.counting import count  # torch

    system = systems.load(spec)
    if isinstance(system, Recorded):
        raise UserError(f"{spec} holds recordings; nothing is computed")
    sample = testsets.load("seed-mini").samples[0]
    samples = 0

    def speak() -> None:
        nonlocal samples
        samples = audio.whole(system.synthesize(sample, 0)).size

    found = count(speak)
    seconds = samples / system.card.sample_rate
    if not found.linear or not seconds:
        raise UserError(f"{spec} computes outside this process or outside torch; its operations cannot be counted")
    return {
        "system": spec,
        "seconds": f"{seconds:.2f}",
        "GFLOP of the utterance": f"{2 * (found.linear + found.attention) / 1e9:.2f}",
        "GFLOP per 10 s": f"{2 * (found.linear + found.attention) / 1e8 / seconds:.2f}",
        "of it attention": f"{100 * found.attention / max(1, found.linear + found.attention):.1f} %",
    }
