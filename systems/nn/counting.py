"""Multiply-adds of anything that runs on torch, by torch's own counter; on the meta device no weights are needed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, flop_registry, shape_wrapper

from ttsbench.records import Cost

ATTENTION = ("bmm", "baddbmm", "scaled_dot_product", "flash", "efficient_attention")
PER_NORMALISED = 5  # operations an element that layer and group norms cost by fvcore's rule


@dataclass(frozen=True)
class Count:
    """Multiply-adds: `linear` in matrix products with weights and in convolutions, `attention` in products of
    activations with activations. `norms`: operations of layer and group norms, 5 an element. `by_precision`: linear and
    attention together by data type; `bytes`: what those products read and wrote, each operand once a call."""

    linear: int
    attention: int
    norms: int
    by_precision: dict[torch.dtype, int] = field(default_factory=dict)
    bytes: int = 0


def count(call: Callable[[], Any]) -> Count:
    """What `call` costs. Fourier transforms and element-wise operations are not counted (torch does not)."""
    normalised = 0

    def norm(x: Any, *rest: Any, **named: Any) -> int:
        nonlocal normalised
        size = 1
        for length in x:
            size *= length
        normalised += size
        return 0

    def packed(x: Any, weight: Any, *rest: Any, **named: Any) -> int:
        return 2 * math.prod(x) * weight[0]

    def attended(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
        return 2 * math.prod(query[:3]) * key[2] * (query[3] + value[3])

    aten = torch.ops.aten
    rules = {
        aten._scaled_dot_product_flash_attention_for_cpu: attended,
        aten.native_layer_norm: norm,
        aten.native_group_norm: norm,
    }
    if torch.backends.mkldnn.is_available():  # matrices in oneDNN's layout, `systems.nn.step`
        rules[torch.ops.mkldnn._linear_pointwise] = packed
    precisions: Counter[torch.dtype] = Counter()
    moved = 0

    def weighed(rule: Callable[..., int]) -> Callable[..., int]:
        """The rule, which also notes precision and bytes of what it is asked about."""

        def both(*args: Any, out_val: Any = None, **named: Any) -> int:
            nonlocal moved
            found = rule(*args, out_val=out_val, **named)
            tensors = list(_tensors((args, tuple(named.values()), out_val)))
            precisions[tensors[0].dtype] += found // 2
            moved += sum(tensor.numel() * tensor.dtype.itemsize for tensor in tensors)
            return found

        both._get_raw = True  # type: ignore[attr-defined]  # torch then hands over tensors, not their shapes
        return both

    products = {kind: weighed(rule) for kind, rule in flop_registry.items()}
    products |= {kind: weighed(shape_wrapper(rule)) for kind, rule in rules.items()}
    mode = FlopCounterMode(display=False, custom_mapping=products)
    with mode, torch.no_grad():
        call()
    linear = attention = 0
    for kind, operations in mode.get_flop_counts().get("Global", {}).items():
        if any(word in str(kind) for word in ATTENTION):
            attention += operations // 2
        else:
            linear += operations // 2
    kinds = {kind: number for kind, number in precisions.items() if number}
    return Count(linear, attention, normalised * PER_NORMALISED, kinds, moved)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def once(name: str, role: Any, call: Callable[[], Any]) -> Cost:
    """The cost of a part that runs a single time."""
    found = count(call)
    return Cost(name, role, found.linear, found.attention, found.norms)


def each_step(name: str, role: Any, call: Callable[[], Any], prefix: int, steps: int) -> Cost:
    """The cost of an autoregressive part, from `call`, which reads one position with an empty cache."""
    found = count(call)
    return Cost(name, role, found.linear, found.attention, found.norms, prefix, steps)
