"""Convolutions with weight normalisation and the anti-aliased periodic activation of BigVGAN-like codecs.

Parameter names are those of the published checkpoints: `weight_g` and `weight_v` (torch's first weight norm),
`act.alpha`, `upsample.filter`, `downsample.lowpass.filter` (Lee et al. 2022, BigVGAN).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormedConv1d(nn.Conv1d):
    """Conv1d whose kernel is g * v / |v| per output channel (Salimans and Kingma 2016).

    `causal` pads dilation * (kernel - 1) zeros on the left instead of `padding` on both sides.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        padding: int = 0,
        causal: bool = False,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=0 if causal else padding, dilation=dilation)
        self.left = dilation * (kernel - 1) if causal else 0
        split_weight(self)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, time / stride)."""
        x = F.pad(x, (self.left, 0)) if self.left else x
        return F.conv1d(x, joined_weight(self), self.bias, self.stride, self.padding, self.dilation)


class NormedUpsample1d(nn.ConvTranspose1d):
    """Causal transposed convolution with kernel 2 * stride; the last `stride` samples, which look ahead, are cut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 2 * stride, stride)
        split_weight(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, time * stride)."""
        y = F.conv_transpose1d(x, joined_weight(self), self.bias, self.stride)
        return y[..., : -self.stride[0]]


def split_weight(conv: nn.Conv1d | nn.ConvTranspose1d) -> None:
    """Replace `weight` by its length `weight_g` (n, 1, 1) and direction `weight_v`."""
    weight = conv.weight.detach()
    del conv.weight
    conv.register_parameter("weight_g", nn.Parameter(weight.norm(dim=(1, 2), keepdim=True)))
    conv.register_parameter("weight_v", nn.Parameter(weight))


def joined_weight(conv: nn.Module) -> Tensor:
    """The kernel that `split_weight` took apart."""
    length, direction = conv.get_parameter("weight_g"), conv.get_parameter("weight_v")
    return direction * (length / direction.norm(dim=(1, 2), keepdim=True))


class SnakeBeta(nn.Module):
    """x + sin(alpha x)^2 / beta, with alpha and beta stored as logarithms (Ziyin et al. 2020, BigVGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + (x * alpha).sin().square() / (beta + 1e-9)


class AntiAliased(nn.Module):
    """SnakeBeta at twice the rate: up, activate, low-pass, down. Looks 6 samples ahead and behind."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = _Doubler()
        self.downsample = _Halver()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same."""
        return self.downsample(self.act(self.upsample(x)))


class _Doubler(nn.Module):
    """Twice the samples through a 12-tap windowed sinc; edges repeat."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", half_band(12))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.pad(x, (5, 5), mode="replicate")
        x = 2 * F.conv_transpose1d(x, self.filter.expand(channels, -1, -1), stride=2, groups=channels)
        return x[..., 15:-15]


class _LowPass(nn.Module):
    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", half_band(12))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.pad(x, (5, 6), mode="replicate")
        return F.conv1d(x, self.filter.expand(channels, -1, -1), stride=2, groups=channels)


class _Halver(nn.Module):
    """Every second sample after the same low-pass."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _LowPass()

    def forward(self, x: Tensor) -> Tensor:
        return self.lowpass(x)


def half_band(taps: int) -> Tensor:
    """Kaiser-windowed sinc (1, 1, taps) that passes half the band, sum 1; transition width 0.6 of Nyquist."""
    width = 4 * 0.3
    attenuation = 2.285 * (taps // 2 - 1) * math.pi * width + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * max(attenuation - 21, 0.0) ** 0.4 + 0.07886 * max(attenuation - 21, 0.0)
    time = torch.arange(taps) - taps // 2 + 0.5
    kernel = torch.kaiser_window(taps, beta=beta, periodic=False) * torch.sinc(0.5 * time)
    return (kernel / kernel.sum()).view(1, 1, taps)
