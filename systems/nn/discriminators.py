"""Discriminators at the published sizes, for the full-size Flow-VAE and X-codec2.

Sources: multi-period (HiFi-GAN, Kong et al. 2020, 2.2), magnitudes at several resolutions (UnivNet, Jang et al. 2021,
2.2). Each gives the output of every layer; the last one is the scores.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
FLOW_VAE = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # transform, hop, window
X_CODEC2 = tuple((size, size // 2, size) for size in (78, 126, 206, 334, 542, 876, 1418, 2296))
SLOPE = 0.1


class _Stack(nn.Module):
    """Convolutions with leaky ReLU; the last one gives scores."""

    def __init__(self, layers: list[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def run(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            found.append(x)
        return [*found, self.layers[-1](x)]


class Period(_Stack):
    """Rows of `period` samples; convolutions run down the columns. `widths` of the layers, the last with stride 1."""

    def __init__(self, period: int, widths: tuple[int, ...]) -> None:
        sizes, last = (1, *widths), len(widths) - 1
        layers = [
            nn.Conv2d(a, b, (5, 1), (1 if i == last else 3, 1), (2, 0))
            for i, (a, b) in enumerate(itertools.pairwise(sizes))
        ]
        super().__init__([*layers, nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))])
        self.period = period

    def forward(self, audio: Tensor) -> list[Tensor]:
        """(batch, samples) to the layers' outputs."""
        padded = F.pad(audio[:, None], (0, -audio.shape[-1] % self.period), mode="reflect")
        return self.run(padded.unflatten(-1, (-1, self.period)))


class Magnitudes(_Stack):
    """Magnitudes of one short-time transform, (transform, hop, window) samples."""

    def __init__(self, sizes: tuple[int, int, int], width: int) -> None:
        half = (1, 2)  # frequency is halved
        super().__init__(
            [
                nn.Conv2d(1, width, (3, 9), padding=(1, 4)),
                *(nn.Conv2d(width, width, (3, 9), half, (1, 4)) for _ in range(3)),
                nn.Conv2d(width, width, 3, padding=1),
                nn.Conv2d(width, 1, 3, padding=1),
            ]
        )
        self.sizes = sizes
        self.register_buffer("window", torch.hann_window(sizes[2]), persistent=False)
        self.window: Tensor

    def forward(self, audio: Tensor) -> list[Tensor]:
        """(batch, samples) to the layers' outputs."""
        transform, hop, window = self.sizes
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(audio.float(), transform, hop, window, self.window, return_complex=True)
            image = spectrum.abs().transpose(1, 2)[:, None]
        return self.run(image)


class Discriminators(nn.ModuleList):
    """Of several periods and several transforms: audio (batch, samples) to the layers' outputs of each."""

    def __init__(self, transforms: tuple[tuple[int, int, int], ...], widths: tuple[int, ...], width: int = 32) -> None:
        periods = [Period(period, widths) for period in PERIODS]
        super().__init__([*periods, *(Magnitudes(sizes, width) for sizes in transforms)])

    def forward(self, audio: Tensor) -> list[list[Tensor]]:
        return [critic(audio) for critic in self]


def of_flow_vae() -> Discriminators:
    """HiFi-GAN's widths; 42 M parameters in the periods."""
    return Discriminators(FLOW_VAE, (32, 128, 512, 1024, 1024))


def of_xcodec2() -> Discriminators:
    """16 channels, four times as many in each layer up to 512 (configuration of the public code)."""
    return Discriminators(X_CODEC2, (16, 64, 256, 512, 512))
