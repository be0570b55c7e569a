"""Discriminators for the vocoder and their losses: columns of the waveform, and spectra at three resolutions.

Sources: multi-period (HiFi-GAN, Kong et al. 2020, 2.2), several spectra (UnivNet, Jang et al. 2021, 2.2) as complex
numbers (EnCodec, Defossez et al. 2022, 3.4), hinge loss (Lim and Ye 2017), feature matching (HiFi-GAN, 2.3). They are
small: about a quarter of the usual width.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PERIODS = (2, 3, 5, 7)
WINDOWS = (1024, 512, 256)  # of the spectra, in samples; the hop is a quarter
SLOPE = 0.1
LOUDER = 4.0  # speech has a level of about .06


class _Critic(nn.Module):
    """Convolutions with leaky ReLU over an image of the audio; the last layer gives scores, high for true speech."""

    def __init__(self, layers: list[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def image(self, audio: Tensor) -> Tensor:
        """(batch, samples) to (batch, channels, height, width)."""
        raise NotImplementedError

    def forward(self, audio: Tensor) -> list[Tensor]:
        """Audio (batch, samples) to the output of each layer; the last of them is the scores."""
        x, found = self.image(audio).contiguous(memory_format=torch.channels_last), []  # twice as fast on a CPU
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            found.append(x)
        return [*found, self.layers[-1](x)]


class PeriodCritic(_Critic):
    """Rows of `period` samples; convolutions run down the columns, so each sees every `period`-th sample."""

    def __init__(self, period: int, width: int = 16) -> None:
        sizes = (1, width, 2 * width, 4 * width)
        strided = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in itertools.pairwise(sizes)]
        last = [
            nn.Conv2d(4 * width, 4 * width, (5, 1), padding=(2, 0)),
            nn.Conv2d(4 * width, 1, (3, 1), padding=(1, 0)),
        ]
        super().__init__(strided + last)
        self.period = period

    def image(self, audio: Tensor) -> Tensor:
        missing = -audio.shape[-1] % self.period
        return LOUDER * F.pad(audio, (0, missing)).reshape(audio.shape[0], 1, -1, self.period)


class SpectrumCritic(_Critic):
    """Real and imaginary part over (frame, bin); magnitudes are raised to the power .4, so that quiet parts count."""

    window: Tensor

    def __init__(self, size: int, width: int = 16) -> None:
        half = (1, 2)  # stride: frequency is halved
        super().__init__(
            [
                nn.Conv2d(2, width, (3, 7), half, (1, 3)),
                nn.Conv2d(width, width, 3, half, 1),
                nn.Conv2d(width, width, 3, half, (2, 1), dilation=(2, 1)),
                nn.Conv2d(width, width, 3, half, (4, 1), dilation=(4, 1)),
                nn.Conv2d(width, width, 3, padding=1),
                nn.Conv2d(width, 1, 3, padding=1),
            ]
        )
        self.size = size
        window = torch.hann_window(size)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)

    def image(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.fft.rfft(audio.float().unfold(-1, self.size, self.size // 4) * self.window)
            image = torch.stack([spectrum.real, spectrum.imag], 1)
            return image * (image.square().sum(1, keepdim=True) + 1e-5).pow(-0.3)


class Critics(nn.ModuleList):
    """All of them: audio (batch, samples), at least 1024 samples, to the layers' outputs of each."""

    def __init__(self, periods: tuple[int, ...] = PERIODS, windows: tuple[int, ...] = WINDOWS) -> None:
        super().__init__([*(PeriodCritic(period) for period in periods), *(SpectrumCritic(size) for size in windows)])

    def forward(self, audio: Tensor) -> list[list[Tensor]]:
        return [critic(audio) for critic in self]


Form = Literal["hinge", "squares"]  # Lim and Ye 2017; least squares (Mao et al. 2017)


def critic_loss(true: list[list[Tensor]], made: list[list[Tensor]], form: Form = "hinge") -> Tensor:
    """Scores of true speech above 1 and of made speech under -1 (hinge), or at 1 and 0. Means per critic, added up."""
    pairs = [(t[-1].float(), m[-1].float()) for t, m in zip(true, made, strict=True)]
    if form == "squares":
        return torch.stack([(1 - t).square().mean() + m.square().mean() for t, m in pairs]).sum()
    return torch.stack([F.relu(1 - t).mean() + F.relu(1 + m).mean() for t, m in pairs]).sum()


def fooling_loss(made: list[list[Tensor]], form: Form = "hinge") -> Tensor:
    """From the other side: scores of made speech above 1, or at 1. Means per critic, added up."""
    gaps = [1 - m[-1].float() for m in made]
    return torch.stack([(gap.square() if form == "squares" else F.relu(gap)).mean() for gap in gaps]).sum()


def matching_loss(true: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """L1 between the layers' outputs for true and made speech: means per layer, added up."""
    pairs = [pair for t, m in zip(true, made, strict=True) for pair in zip(t[:-1], m[:-1], strict=True)]
    return torch.stack([F.l1_loss(m.float(), t.detach().float()) for t, m in pairs]).sum()


def contest(
    critics: nn.Module, made: Tensor, true: Tensor, matching: float = 2.0, form: Form = "hinge"
) -> dict[str, Tensor]:
    """Losses of made against true audio, each (batch, samples): `critic` teaches the critics alone, `fooling` (`form`
    plus `matching` times feature matching) the maker of `made` alone.

    Both come from one pass through the critics: each side's gradient is taken here and handed on by a linear term, so
    that a backward pass through their sum costs nothing more. Where `made` has no gradient, only the critics learn.
    """
    seen = made.detach().requires_grad_(made.requires_grad)
    true_layers, made_layers = critics(true), critics(seen)
    own = critic_loss(true_layers, made_layers, form)
    fooling = fooling_loss(made_layers, form) + matching * matching_loss(true_layers, made_layers)
    towards = torch.autograd.grad(fooling, seen, retain_graph=True) if seen.requires_grad else ()
    weights: list[Tensor] = [weight for weight in critics.parameters() if weight.requires_grad]
    return {
        "critic": _handed_on(own, weights, torch.autograd.grad(own, weights)),
        "fooling": _handed_on(fooling, [made], towards) if towards else fooling.detach(),
    }


def _handed_on(value: Tensor, inputs: list[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """A scalar of this value whose gradients with respect to `inputs` are the given ones."""
    linear = torch.stack([(x * g.to(x.dtype)).sum() for x, g in zip(inputs, gradients, strict=True)]).sum()
    return value.detach() + linear - linear.detach()
