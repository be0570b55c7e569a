"""One transformer for every system: causal or not, with cross-attention or without, trained whole or run step by step.

Module names follow the Llama layout (`layers.0.self_attn.q_proj.weight`): Llama-shaped weights load as they are.

    shape = Shape(dim=256, layers=6, heads=4, hidden=1024, rope=Rope())
    model = Transformer(shape)
    y = model(x)                                  # training: x, y are (batch, time, dim)
    cache = Cache(shape, batch=1, capacity=500)
    y = model(prompt, cache=cache)                # then one step at a time: model(step, cache=cache)
    cache = cache.fork(16, capacity=400)          # sixteen candidates that share the prompt's keys and values
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ttsbench.systems.nn.attention import attend, rotate
from ttsbench.systems.nn.cache import Cache, Pairs
from ttsbench.systems.nn.step import Step


@dataclass(frozen=True)
class Rope:
    """Rotary positions (Su et al. 2021), halves rotated as in Llama. `factor` > 1 turns on the Llama 3 scaling:
    wavelengths above `trained` / `low` are stretched by `factor`, those below `trained` / `high` are left alone.
    """

    theta: float = 10000.0
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    trained: int = 8192

    def frequencies(self, head_dim: int) -> Tensor:
        """Radians per position, (head_dim / 2,)."""
        plain = self.theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
        if self.factor == 1.0:
            return plain
        turns = self.trained * plain / (2 * math.pi)
        kept = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)
        return plain * (kept + (1 - kept) / self.factor)


@dataclass(frozen=True)
class Shape:
    """What a transformer looks like. `hidden` is the feed-forward width; `kv_heads` None means one per head;
    `memory_dim` turns cross-attention on and is the width of what is attended to.
    """

    dim: int
    layers: int
    heads: int
    hidden: int
    kv_heads: int | None = None
    memory_dim: int | None = None
    causal: bool = True
    rope: Rope | None = None
    norm: Literal["layer", "rms"] = "layer"
    gated: bool = False
    activation: Literal["gelu", "silu", "relu"] = "gelu"
    bias: bool = False
    dropout: float = 0.0
    eps: float = 1e-5
    final_norm: bool = True

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def groups(self) -> int:
        """Number of key and value heads."""
        return self.kv_heads or self.heads


@dataclass
class Watch:
    """Asks for attention weights: `heads` lists (layer, head); a forward pass leaves (batch, time, keys) in `weights`.

    With cross-attention the watched weights are those over the memory, otherwise those over the sequence itself.
    """

    heads: Sequence[tuple[int, int]]
    weights: dict[tuple[int, int], Tensor]

    def __init__(self, *heads: tuple[int, int]) -> None:
        self.heads, self.weights = heads, {}

    @property
    def layers(self) -> set[int]:
        return {layer for layer, _ in self.heads}

    def take(self, layer: int, weights: Tensor) -> None:
        self.weights.update({(at, head): weights[:, head] for at, head in self.heads if at == layer})


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis, in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight


def make_norm(shape: Shape) -> nn.Module:
    return RMSNorm(shape.dim, shape.eps) if shape.norm == "rms" else nn.LayerNorm(shape.dim, shape.eps)


class Attention(nn.Module):
    """Grouped-query attention of (batch, time, dim) over itself, or over a memory of width `source_dim`."""

    def __init__(self, shape: Shape, source_dim: int | None = None) -> None:
        super().__init__()
        self.shape = shape
        source, narrow = source_dim or shape.dim, shape.groups * shape.head_dim
        self.q_proj = nn.Linear(shape.dim, shape.dim, bias=shape.bias)
        self.k_proj = nn.Linear(source, narrow, bias=shape.bias)
        self.v_proj = nn.Linear(source, narrow, bias=shape.bias)
        self.o_proj = nn.Linear(shape.dim, shape.dim, bias=shape.bias)

    def heads(self, x: Tensor) -> Tensor:
        """(batch, time, n * head_dim) to (batch, n, time, head_dim)."""
        return x.view(*x.shape[:2], -1, self.shape.head_dim).transpose(1, 2)

    def pair(self, source: Tensor, angles: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Keys and values (batch, kv_heads, time, head_dim) of `source` (batch, time, source_dim)."""
        keys = self.heads(self.k_proj(source))
        return keys if angles is None else rotate(keys, angles), self.heads(self.v_proj(source))

    def forward(
        self,
        x: Tensor,
        pairs: Pairs,
        bias: Tensor | None,
        angles: tuple[Tensor, Tensor] | None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """x attends to `pairs` (made by `pair`); (batch, time, dim) and the weights (batch, heads, time, keys)."""
        queries = self.heads(self.q_proj(x))
        if angles is not None:
            queries = rotate(queries, angles)
        mixed, weights = attend(queries, pairs, bias, need_weights)
        return self.o_proj(mixed.transpose(1, 2).reshape(x.shape)), weights


class FeedForward(nn.Module):
    """Two matrices with an activation between, or three where the activation gates (Shazeer 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.dim, shape.hidden, bias=shape.bias) if shape.gated else None
        self.up_proj = nn.Linear(shape.dim, shape.hidden, bias=shape.bias)
        self.down_proj = nn.Linear(shape.hidden, shape.dim, bias=shape.bias)
        self.act = {"silu": nn.SiLU(), "relu": nn.ReLU(), "gelu": nn.GELU(approximate="tanh")}[shape.activation]

    def forward(self, x: Tensor) -> Tensor:
        up = self.up_proj(x)
        return self.down_proj(self.act(up) if self.gate_proj is None else self.act(self.gate_proj(x)) * up)


class Block(nn.Module):
    """Pre-norm block: self-attention, cross-attention where `shape.memory_dim` is set, feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = make_norm(shape)
        self.self_attn = Attention(shape)
        if shape.memory_dim is not None:
            self.cross_attn_layernorm = make_norm(shape)
            self.cross_attn = Attention(shape, shape.memory_dim)
        self.post_attention_layernorm = make_norm(shape)
        self.mlp = FeedForward(shape)
        self.drop = nn.Dropout(shape.dropout)


class Transformer(nn.Module):
    """A stack of blocks over embeddings; embedding tables, positions other than rotary, and heads are the caller's."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.dim % shape.heads or shape.heads % shape.groups:
            raise ValueError(
                f"{shape.heads} heads must divide dim {shape.dim}, {shape.groups} kv_heads must divide the heads"
            )
        self.shape = shape
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = make_norm(shape) if shape.final_norm else nn.Identity()
        self._step: Step | None = None
        self._rates: Tensor | None = None
        self.apply(self._init)

    @property
    def blocks(self) -> list[Block]:
        return cast("list[Block]", list(self.layers))

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, Attention | FeedForward):
            last = module.o_proj if isinstance(module, Attention) else module.down_proj
            nn.init.normal_(last.weight, std=(2 * self.shape.layers * last.in_features) ** -0.5)

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        memory_positions: Tensor | None = None,
        cache: Cache | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """x (batch, time, dim) to the same shape.

        `mask` (batch, time) and `memory_mask` (batch, keys) are True where something real stands. `positions`, (time,)
        or (batch, time), may be fractions; default 0, 1, 2 ... after what the cache holds. `memory` (batch, keys,
        memory_dim) is read once and kept by a cache; `memory_positions` turns rotary positions on in cross-attention.
        """
        if positions is None:
            start = cache.position if cache else 0
            positions = torch.arange(start, start + x.shape[1], device=x.device)
        angles = self._angles(positions)
        bias = self._bias(x, mask, cache)
        kept: Pairs = cache.memory if cache else []
        turned = memory_positions is not None
        if memory is not None:
            kept = self._read(memory, memory_positions)
            if cache is not None:
                if memory_mask is not None and bool(memory_mask.all()):
                    memory_mask = None  # nothing to hide: no step has to look
                cache.memory, cache.memory_mask, cache.memory_turned = kept, memory_mask, turned
        cross_angles = angles if (cache.memory_turned if cache else turned) else None
        if self.shape.memory_dim is not None and not kept:
            raise ValueError("this transformer has cross-attention: give it `memory`, or a cache that has read one")
        memory_mask = cache.memory_mask if cache else memory_mask
        memory_bias = None if memory_mask is None else _as_bias(memory_mask[:, None, None, :], x)
        if cache is not None and bias is None and x.shape[1] == 1 and watch is None and not torch.is_grad_enabled():
            return self.norm(self.ready(cache)(x[:, 0], angles, cache, memory_bias, cross_angles)[:, None])
        for index, block in enumerate(self.blocks):
            watched = watch is not None and index in watch.layers
            a = block.input_layernorm(x)
            pair = block.self_attn.pair(a, angles)
            pairs = [pair] if cache is None else cache.put(index, *pair)
            a, weights = block.self_attn(a, pairs, bias, angles, watched and not kept)
            x = x + block.drop(a)
            if kept:
                a = block.cross_attn_layernorm(x)
                a, weights = block.cross_attn(a, [kept[index]], memory_bias, cross_angles, watched)
                x = x + block.drop(a)
            if watch is not None and weights is not None:
                watch.take(index, weights)
            x = x + block.drop(block.mlp(block.post_attention_layernorm(x)))
        if cache is not None:
            cache.length += x.shape[1]
        return self.norm(x)

    def ready(self, cache: Cache, pack: bool = True) -> Step:
        """What reads single positions into `cache`; made once, and again when weights have changed since."""
        if cache.step is None:
            if self._step is None or not self._step.fits(self.blocks):
                self._step = Step(self.shape, self.blocks, pack)
            cache.step = self._step
        return cache.step

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_step": None, "_rates": None}  # made again where needed; layouts cannot be copied

    def _read(self, memory: Tensor, positions: Tensor | None) -> Pairs:
        angles = None if positions is None else self._angles(positions)
        return [block.cross_attn.pair(memory, angles) for block in self.blocks]

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.shape.rope is None:
            return None
        if self._rates is None or self._rates.device != positions.device:
            self._rates = self.shape.rope.frequencies(self.shape.head_dim).to(positions.device)
        turns = positions.float()[..., None] * self._rates
        turns = turns[None, None] if turns.dim() == 2 else turns[:, None]
        return turns.cos(), turns.sin()

    def _bias(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor | None:
        """What is added to the scores of self-attention: the causal triangle and the padding."""
        batch, time = x.shape[:2]
        past = cache.position if cache else 0
        if mask is not None and cache is not None:
            before = torch.ones(batch, past, dtype=torch.bool, device=x.device) if cache.seen is None else cache.seen
            cache.seen = mask = torch.cat([before, mask], dim=1)
        elif cache is not None and cache.seen is not None:
            fresh = torch.ones(batch, time, dtype=torch.bool, device=x.device)
            cache.seen = mask = torch.cat([cache.seen, fresh], dim=1)
        allowed = None if mask is None else mask[:, None, None, :]
        if self.shape.causal and time > 1:
            triangle = torch.ones(time, past + time, dtype=torch.bool, device=x.device).tril(past)
            allowed = triangle if allowed is None else allowed & triangle
        return None if allowed is None else _as_bias(allowed, x)


def _as_bias(allowed: Tensor, like: Tensor) -> Tensor:
    """0 where allowed, a huge negative number elsewhere (finite, so that rows of pure padding stay finite)."""
    return torch.zeros(allowed.shape, device=like.device, dtype=like.dtype).masked_fill(
        ~allowed, torch.finfo(like.dtype).min / 2
    )


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """Sinusoidal positions (Vaswani et al. 2017): (...) to (..., dim), first all sines, then all cosines."""
    rates = torch.exp(torch.arange(dim // 2, device=positions.device) * (-math.log(10000.0) / (dim // 2)))
    turns = positions.float()[..., None] * rates
    return torch.cat([turns.sin(), turns.cos()], dim=-1)
