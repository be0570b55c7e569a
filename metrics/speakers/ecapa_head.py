"""The speaker head behind the published SIM numbers: ECAPA-TDNN over a speech model's hidden states, in plain torch.

Desplanques et al. 2020 as UniSpeech arranges it: ReLU before batch norm, no global context in the pooling, 256 values.
Names of the parameters are those of the checkpoint `wavlm_large_finetune.pth`, so that it loads as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Module):
    """Convolution over time, ReLU, batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) to (batch, outputs, time)."""
        return self.bn(F.relu(self.conv(x)))


class Res2Conv(nn.Module):
    """`scale` groups of channels, each but the last convolved after the result before it has been added."""

    def __init__(self, channels: int, dilation: int, scale: int = 8) -> None:
        super().__init__()
        width = channels // scale
        self.width = width
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same shape."""
        *parts, last = x.split(self.width, dim=1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            done.append(norm(F.relu(conv(part + done[-1] if done else part))))
        return torch.cat([*done, last], dim=1)


class SqueezeExcite(nn.Module):
    """A gate on each channel from the channels' means over time."""

    def __init__(self, channels: int, inner: int = 128) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, inner)
        self.linear2 = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same shape."""
        return x * torch.sigmoid(self.linear2(F.relu(self.linear1(x.mean(dim=2))))).unsqueeze(2)


class Block(nn.Module):
    """Squeeze-excitation Res2 block with a residual connection."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.Conv1dReluBn1 = ConvNorm(channels, channels)
        self.Res2Conv1dReluBn = Res2Conv(channels, dilation)
        self.Conv1dReluBn2 = ConvNorm(channels, channels)
        self.SE_Connect = SqueezeExcite(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to the same shape."""
        return x + self.SE_Connect(self.Conv1dReluBn2(self.Res2Conv1dReluBn(self.Conv1dReluBn1(x))))


class Pooling(nn.Module):
    """Attentive mean and standard deviation over time."""

    def __init__(self, channels: int, inner: int = 128) -> None:
        super().__init__()
        self.linear1 = nn.Conv1d(channels, inner, 1)
        self.linear2 = nn.Conv1d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) to (batch, 2 channels)."""
        weight = self.linear2(torch.tanh(self.linear1(x))).softmax(dim=2)
        mean = (weight * x).sum(dim=2)
        spread = ((weight * x**2).sum(dim=2) - mean**2).clamp(min=1e-9).sqrt()
        return torch.cat([mean, spread], dim=1)


class EcapaHead(nn.Module):
    """Hidden states of all layers to a speaker embedding."""

    def __init__(self, layers: int = 25, features: int = 1024, channels: int = 512, size: int = 256) -> None:
        super().__init__()
        self.feature_weight = nn.Parameter(torch.zeros(layers))
        self.layer1 = ConvNorm(features, channels, 5)
        self.layer2, self.layer3, self.layer4 = (Block(channels, dilation) for dilation in (2, 3, 4))
        self.conv = nn.Conv1d(3 * channels, 1536, 1)
        self.pooling = Pooling(1536)
        self.bn = nn.BatchNorm1d(2 * 1536)
        self.linear = nn.Linear(2 * 1536, size)

    def forward(self, states: Tensor) -> Tensor:
        """(layers, batch, time, features) to (batch, size), not normalised."""
        mixed = (self.feature_weight.softmax(dim=0)[:, None, None, None] * states).sum(dim=0).transpose(1, 2) + 1e-6
        first = self.layer1(F.instance_norm(mixed))
        second = self.layer2(first)
        third = self.layer3(second)
        fourth = self.layer4(third)
        joined = F.relu(self.conv(torch.cat([second, third, fourth], dim=1)))
        return self.linear(self.bn(self.pooling(joined)))
