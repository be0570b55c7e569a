"""Conformer and FFT blocks on the transformer's own attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.convnext import StreamConv
from ttsbench.systems.nn.transformer import Attention, Rope, Shape

Angles = tuple[Tensor, Tensor]


def angles(time: int, shape: Shape, device: torch.device) -> Angles:
    """Rotary positions 0, 1, 2 ...: cos and sin, (1, 1, time, head_dim / 2)."""
    assert shape.rope is not None
    turns = torch.arange(time, device=device).float()[:, None] * shape.rope.frequencies(shape.head_dim).to(device)
    return turns.cos()[None, None], turns.sin()[None, None]


def shape_of(dim: int, heads: int, hidden: int, memory: bool = False) -> Shape:
    """The attention's sizes; positions are rotary, hence relative."""
    return Shape(dim, 1, heads, hidden, memory_dim=dim if memory else None, causal=False, rope=Rope())


def bias_of(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """What is added to the scores so that padding, where `mask` (batch, time) is False, is not looked at."""
    if mask is None:
        return None
    low = torch.finfo(like.dtype).min / 2
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(~mask, low)[:, None, None, :]


def lean(x: Tensor) -> Tensor:
    """x in the width of autocast where that is on: the residual stream is most of what moves through memory."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if kind != "meta" and torch.is_autocast_enabled(kind) else x


def silence(x: Tensor, mask: Tensor | None) -> Tensor:
    """x (batch, time, dim) with zeros in the padding, so that convolutions see what stands beyond the edges."""
    return x if mask is None else x * mask[..., None].to(x.dtype)


class HalfStep(nn.Module):
    """One of a Conformer block's two feed-forward parts, added by half."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5 * self.drop(self.down(F.silu(self.up(self.norm(x)))))


class Convolution(nn.Module):
    """The Conformer's convolution: gate, depthwise convolution, norm (layer, not batch), swish, projection."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.mix = StreamConv(dim, dim, kernel, ahead=kernel // 2, depthwise=True)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        mixed = self.mix(silence(F.glu(self.up(self.norm(x))), mask))
        return x + self.drop(self.down(F.silu(self.inner(mixed))))


class Conformer(nn.Module):
    """One block (Gulati et al. 2020): half feed-forward, attention, convolution, half feed-forward, norm."""

    def __init__(self, dim: int, heads: int, hidden: int, kernel: int, dropout: float) -> None:
        super().__init__()
        shape = shape_of(dim, heads, hidden)
        self.before, self.after = HalfStep(dim, hidden, dropout), HalfStep(dim, hidden, dropout)
        self.norm, self.attention = nn.LayerNorm(dim), Attention(shape)
        self.convolution = Convolution(dim, kernel, dropout)
        self.drop = nn.Dropout(dropout)
        self.leave = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor | None, turned: Angles, bias: Tensor | None) -> Tensor:
        x = self.before(x)
        y = self.norm(x)
        mixed, _ = self.attention(y, [self.attention.pair(y, turned)], bias, turned)
        x = self.convolution(x + self.drop(mixed), mask)
        return self.leave(self.after(x))


class ConformerStack(nn.Module):
    """Blocks over (batch, time, dim); `mask` (batch, time) is True where something real stands."""

    def __init__(self, layers: int, dim: int, heads: int, hidden: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.shape = shape_of(dim, heads, hidden)
        self.blocks = nn.ModuleList(Conformer(dim, heads, hidden, kernel, dropout) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = lean(x)
        turned, bias = angles(x.shape[1], self.shape, x.device), bias_of(mask, x)
        for block in self.blocks:
            x = block(x, mask, turned, bias)
        return x


class FFT(nn.Module):
    """FastSpeech's block: attention, then a convolution of `kernel` and one of 1 (Ren et al. 2019), pre-norm."""

    def __init__(self, dim: int, heads: int, hidden: int, kernel: int, dropout: float) -> None:
        super().__init__()
        shape = shape_of(dim, heads, hidden)
        self.norm, self.attention = nn.LayerNorm(dim), Attention(shape)
        self.middle = nn.LayerNorm(dim)
        self.up = StreamConv(dim, hidden, kernel, ahead=kernel // 2)
        self.down = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, turned: Angles, bias: Tensor | None) -> Tensor:
        y = self.norm(x)
        mixed, _ = self.attention(y, [self.attention.pair(y, turned)], bias, turned)
        x = x + self.drop(mixed)
        hidden = F.gelu(self.up(silence(self.middle(x), mask)), approximate="tanh")
        return x + self.drop(self.down(hidden))


class FFTStack(nn.Module):
    """FFT blocks and a final norm over (batch, time, dim)."""

    def __init__(self, layers: int, dim: int, heads: int, hidden: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.shape = shape_of(dim, heads, hidden)
        self.blocks = nn.ModuleList(FFT(dim, heads, hidden, kernel, dropout) for _ in range(layers))
        self.leave = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = lean(x)
        turned, bias = angles(x.shape[1], self.shape, x.device), bias_of(mask, x)
        for block in self.blocks:
            x = block(x, mask, turned, bias)
        return self.leave(x)


class Cross(nn.Module):
    """x (batch, time, dim) plus what it finds by attention in a memory (batch, keys, dim), without positions."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(shape_of(dim, heads, dim, memory=True), dim)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        found, _ = self.attention(self.norm(x), [self.attention.pair(memory, None)], bias_of(mask, x), None)
        return x + found
