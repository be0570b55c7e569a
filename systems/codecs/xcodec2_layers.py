"""The layers of X-codec2: encoders, quantiser, backbone and inverse Fourier head, named as in the public checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.attention import attend, rotate
from ttsbench.systems.nn.transformer import RMSNorm, Rope
from ttsbench.systems.nn.wavenorm import AntiAliased, NormedConv1d


@dataclass(frozen=True)
class XCodec2Shape:
    """Widths and depths. `rope_axis` 'head' is what the published weights were trained with: the rotation follows the
    head index, cancels in the scores, and leaves the decoder's attention without positions. 'time' is the usual one.
    """

    base: int = 48
    down: tuple[int, ...] = (2, 2, 4, 4, 5)
    dim: int = 1024
    layers: int = 12
    heads: int = 16
    levels: tuple[int, ...] = (4,) * 8
    semantic_dim: int = 1024
    semantic_layers: int = 16
    semantic_hidden: int = 4096
    sample_rate: int = 16000
    rope_axis: Literal["head", "time"] = "head"

    @property
    def hop(self) -> int:
        """Samples per code."""
        return math.prod(self.down)

    @property
    def joint(self) -> int:
        """Width of acoustic and semantic features together."""
        return self.dim + self.semantic_dim


class ResidualUnit(nn.Module):
    """x + conv1(snake(conv7(snake(x)))), the first convolution dilated."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            AntiAliased(dim),
            NormedConv1d(dim, dim, 7, dilation=dilation, padding=3 * dilation),
            AntiAliased(dim),
            NormedConv1d(dim, dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class EncoderBlock(nn.Module):
    """Three residual units, then half as many frames (or fewer) of twice the width."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(ResidualUnit(dim, dilation) for dilation in (1, 3, 9)),
            AntiAliased(dim),
            NormedConv1d(dim, 2 * dim, 2 * stride, stride, padding=stride // 2 + stride % 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class AcousticEncoder(nn.Module):
    """(batch, 1, samples) to (batch, dim, frames)."""

    def __init__(self, shape: XCodec2Shape) -> None:
        super().__init__()
        blocks = [EncoderBlock(shape.base << i, stride) for i, stride in enumerate(shape.down)]
        width = shape.base << len(shape.down)
        self.conv_blocks = nn.Sequential(NormedConv1d(1, shape.base, 7, padding=3), *blocks)
        self.conv_final_block = nn.Sequential(AntiAliased(width), NormedConv1d(width, shape.dim, 3, padding=1))

    def forward(self, audio: Tensor) -> Tensor:
        return self.conv_final_block(self.conv_blocks(audio))


class SemanticEncoder(nn.Module):
    """The adapter of the w2v-BERT features: (batch, dim, frames) to the same.

    The skip path starts behind the first ReLU: the original rectifies in place, and its weights were trained so.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.initial_conv = nn.Conv1d(dim, dim, 3, padding=1, bias=False)
        self.residual_blocks = nn.Sequential(
            nn.ReLU(), nn.Conv1d(dim, dim, 3, padding=1), nn.ReLU(), nn.Conv1d(dim, dim, 3, padding=1)
        )
        self.final_conv = nn.Conv1d(dim, dim, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        x = self.initial_conv(features).relu()
        return self.final_conv(x + self.residual_blocks(x))


class DoublyBoundFSQ(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2023) that bounds twice, as the published weights expect.

    bound(z) = h tanh(z + atanh(0.5 / h)) - 0.5, h = 1.5 * 1.001 for 4 levels; then round, then halve.
    """

    def __init__(self, dim: int, levels: tuple[int, ...]) -> None:
        super().__init__()
        if any(level % 2 for level in levels):
            raise ValueError(f"only even numbers of levels are supported, not {levels}")
        self.levels = levels
        self.project_in = nn.Linear(dim, len(levels))
        self.project_out = nn.Linear(len(levels), dim)

    @property
    def size(self) -> int:
        return math.prod(self.levels)

    def bound(self, z: Tensor) -> Tensor:
        half = (torch.tensor(self.levels, device=z.device, dtype=z.dtype) - 1) * 1.001 / 2
        return (z + (0.5 / half).atanh()).tanh() * half - 0.5

    def grid(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Levels, half the levels, and the place value of each dimension; the first dimension counts least."""
        levels = torch.tensor(self.levels, device=device)
        place = torch.cat([levels.new_ones(1), levels[:-1]]).cumprod(0)
        return levels, levels // 2, place

    def quantize(self, x: Tensor) -> Tensor:
        """(batch, frames, dim) to codes (batch, frames) in [0, size)."""
        _, half, place = self.grid(x.device)
        rounded = self.bound(self.bound(self.project_in(x))).round().long()
        return ((rounded + half) * place).sum(dim=-1)

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (batch, frames) to (batch, frames, dim)."""
        levels, half, place = self.grid(codes.device)
        digits = codes[..., None] // place % levels
        return self.project_out((digits - half) / half.to(self.project_out.weight.dtype))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Quantised features with straight-through gradients, and their codes."""
        _, half, place = self.grid(x.device)
        bounded = self.bound(self.bound(self.project_in(x)))
        rounded = bounded + (bounded.round() - bounded).detach()
        codes = ((rounded.detach().round().long() + half) * place).sum(dim=-1)
        return self.project_out(rounded / half), codes


class ResnetBlock(nn.Module):
    """Twice group norm, SiLU, convolution of width 3, with a skip; (batch, dim, frames)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, dim, eps=1e-6), nn.GroupNorm(32, dim, eps=1e-6)
        self.conv1, self.conv2 = nn.Conv1d(dim, dim, 3, padding=1), nn.Conv1d(dim, dim, 3, padding=1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(self.dropout(F.silu(self.norm2(y))))


class Attention(nn.Module):
    """Full attention with one matrix for queries, keys and values; rotary pairs are neighbours, as in torchtune."""

    def __init__(self, shape: XCodec2Shape) -> None:
        super().__init__()
        self.heads, self.axis = shape.heads, shape.rope_axis
        self.c_attn = nn.Linear(shape.dim, 3 * shape.dim, bias=False)
        self.c_proj = nn.Linear(shape.dim, shape.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, dim = x.shape
        q, k, v = self.c_attn(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.axis == "time":  # on the head axis queries and keys turn alike, and the rotation cancels
            turns = torch.arange(time, device=x.device)[:, None] * Rope().frequencies(dim // self.heads).to(x.device)
            angles = turns.cos()[None, None], turns.sin()[None, None]
            q, k = (rotate(torch.cat([y[..., ::2], y[..., 1::2]], dim=-1), angles) for y in (q, k))
        mixed, _ = attend(q, [(k, v)], None)
        return self.c_proj(mixed.transpose(1, 2).reshape(batch, time, dim))


class MLP(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim, bias=False)
        self.fc2 = nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.silu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, shape: XCodec2Shape) -> None:
        super().__init__()
        self.att_norm, self.ffn_norm = RMSNorm(shape.dim, 1e-6), RMSNorm(shape.dim, 1e-6)
        self.att, self.mlp = Attention(shape), MLP(shape.dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.att(self.att_norm(x))
        return x + self.mlp(self.ffn_norm(x))


class Backbone(nn.Module):
    """Convolutions, attention, convolutions; (batch, frames, dim) to the same."""

    def __init__(self, shape: XCodec2Shape) -> None:
        super().__init__()
        self.embed = nn.Conv1d(shape.dim, shape.dim, 7, padding=3)
        self.prior_net = nn.Sequential(ResnetBlock(shape.dim), ResnetBlock(shape.dim))
        self.transformers = nn.Sequential(*(Block(shape) for _ in range(shape.layers)))
        self.post_net = nn.Sequential(ResnetBlock(shape.dim), ResnetBlock(shape.dim))
        self.final_layer_norm = nn.LayerNorm(shape.dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prior_net(self.embed(x.transpose(1, 2)))
        x = self.transformers(x.transpose(1, 2))
        return self.final_layer_norm(self.post_net(x.transpose(1, 2)).transpose(1, 2))


class ISTFT(nn.Module):
    window: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(width))


class ISTFTHead(nn.Module):
    """Log-magnitudes and phases to samples by overlap-add with a window of four hops; nothing added at the edges."""

    def __init__(self, dim: int, hop: int) -> None:
        super().__init__()
        self.hop, self.width = hop, 4 * hop
        self.out = nn.Linear(dim, self.width + 2)
        self.istft = ISTFT(self.width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, dim) to (batch, frames * hop)."""
        size, phase = self.out(x).transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(size.exp().clip(max=1e2), phase)
        window = self.istft.window[:, None]
        pieces = torch.fft.irfft(spectrum, self.width, dim=1) * window
        weight = window.square().expand_as(pieces[:1])
        return self.overlap(pieces) / self.overlap(weight).clamp_min(1e-11)

    def overlap(self, pieces: Tensor) -> Tensor:
        length, edge = (pieces.shape[2] - 1) * self.hop + self.width, (self.width - self.hop) // 2
        summed = F.fold(pieces, (1, length), kernel_size=(1, self.width), stride=(1, self.hop))
        return summed[:, 0, 0, edge:-edge]


class Generator(nn.Module):
    def __init__(self, shape: XCodec2Shape) -> None:
        super().__init__()
        self.quantizer = DoublyBoundFSQ(shape.joint, shape.levels)
        self.backbone = Backbone(shape)
        self.head = ISTFTHead(shape.dim, shape.hop)
