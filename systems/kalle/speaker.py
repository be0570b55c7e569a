"""ECAPA-TDNN (Desplanques et al. 2020) as KALL-E uses it: a mel slice to the Gaussian of one speaker latent.

Parameter names are those of the public training code (`speaker_encoder`, `speaker_cond_disp_linear`).
"""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.mel import filters
from ttsbench.systems.nn.mel import FLOOR, HOP, N_FFT, RATE


@functools.lru_cache(maxsize=2)
def _bank(mels: int) -> Tensor:
    return torch.from_numpy(filters(RATE, N_FFT, mels)).T.contiguous()


def speaker_mel(audio: np.ndarray, mels: int) -> np.ndarray:
    """Samples (n,) at 16 kHz to natural-log mels (n // 160 + 1, mels) of the speaker branch."""
    wave = torch.from_numpy(audio)
    spectrum = torch.stft(wave, N_FFT, HOP, window=torch.hann_window(N_FFT), pad_mode="constant", return_complex=True)
    return torch.log((spectrum.abs().T @ _bank(mels)).clamp_min(FLOOR)).numpy()


class ConvNorm(nn.Module):
    """Convolution, ReLU, batch norm; (batch, inputs, frames) to (batch, outputs, frames)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding=padding, bias=False)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(F.relu(self.conv(x)))


class Res2(nn.Module):
    """Splits the channels into `scale` parts; every part but the last is convolved after the one before was added."""

    def __init__(self, channels: int, dilation: int, scale: int = 8) -> None:
        super().__init__()
        self.width = channels // scale
        self.convs = nn.ModuleList(
            nn.Conv1d(self.width, self.width, 3, dilation=dilation, padding=dilation, bias=False)
            for _ in range(scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(self.width) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = x.split(self.width, dim=1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            done.append(norm(F.relu(conv(done[-1] + part if done else part))))
        return torch.cat([*done, last], dim=1)


class SqueezeExcite(nn.Module):
    """Scales each channel by what the mean over time says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(channels, channels // 2), nn.Linear(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.linear2(F.relu(self.linear1(x.mean(dim=2)))).sigmoid()[..., None]


class AttentivePool(nn.Module):
    """Attention-weighted mean and standard deviation over time: (batch, n, frames) to (batch, 2 n)."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Conv1d(channels, bottleneck, 1), nn.Conv1d(bottleneck, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()  # a small difference of large squares follows
        share = self.linear2(self.linear1(x).tanh()).softmax(dim=2).float()
        mean = (share * x).sum(dim=2)
        spread = (share * x.square()).sum(dim=2) - mean.square()
        return torch.cat([mean, spread.clamp_min(1e-9).sqrt()], dim=1)


class EcapaTdnn(nn.Module):
    """(batch, frames, mels) to (batch, outputs)."""

    def __init__(self, mels: int, channels: int, outputs: int, wide: int = 1536, bottleneck: int = 128) -> None:
        super().__init__()
        self.layer1 = ConvNorm(mels, channels, 5)
        self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                ConvNorm(channels, channels), Res2(channels, d), ConvNorm(channels, channels), SqueezeExcite(channels)
            )
            for d in (2, 3, 4)
        )
        self.conv = nn.Conv1d(3 * channels, wide, 1)
        self.pooling = AttentivePool(wide, bottleneck)
        self.bn1 = nn.BatchNorm1d(2 * wide)
        self.linear = nn.Linear(2 * wide, outputs)
        self.bn2 = nn.BatchNorm1d(outputs)

    def forward(self, mel: Tensor) -> Tensor:
        one = self.layer1(mel.transpose(1, 2))
        two = self.layer2(one) + one
        three = self.layer3(one + two) + one + two
        four = self.layer4(one + two + three) + one + two + three
        pooled = self.pooling(F.relu(self.conv(torch.cat([two, three, four], dim=1))))
        return self.bn2(self.linear(self.bn1(pooled)))
