"""Inverse short-time Fourier transform head: features to magnitudes and phases to samples, whole or in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_MAGNITUDE = 100.0


@dataclass(frozen=True)
class OpenSums:
    """`sums` (2, batch, n): overlapping frames and squared windows so far; `cut`: samples still to drop at the head."""

    sums: Tensor
    cut: int


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """(batch, time, window) to (batch, (time - 1) * hop + window)."""
    batch, time, window = frames.shape
    if time == 0:
        return frames.new_zeros(batch, window - hop)
    size = (1, (time - 1) * hop + window)
    return F.fold(frames.transpose(1, 2), size, kernel_size=(1, window), stride=(1, hop))[:, 0, 0]


class ISTFTHead(nn.Module):
    """Linear to log-magnitude and phase, inverse FFT, squared-window overlap-add ("same" padding of Vocos, 2023, 3.2).

    Frame t is centred on the `hop` samples it stands for, so `time` frames give `time * hop` samples.
    """

    window: Tensor

    def __init__(self, dim: int, window: int, hop: int) -> None:
        super().__init__()
        if (window - hop) % 2 or window % hop:
            raise ValueError(f"window {window} must be a multiple of hop {hop}, and their difference even")
        self.size, self.hop, self.side = window, hop, (window - hop) // 2
        self.project = nn.Linear(dim, window + 2)
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    def frames(self, x: Tensor) -> Tensor:
        """Features (batch, time, dim) to windowed frames (batch, time, window)."""
        with torch.autocast(x.device.type, enabled=False):
            size, phase = self.project(x.float()).chunk(2, dim=-1)
            size = torch.exp(size).clamp(max=MAX_MAGNITUDE)
            spectrum = torch.complex(size * torch.cos(phase), size * torch.sin(phase))
            return torch.fft.irfft(spectrum, n=self.size) * self.window

    def _envelope(self, time: int) -> Tensor:
        squares = (self.window**2).expand(1, time, self.size)
        return overlap_add(squares, self.hop).clamp_min(1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, dim) to (batch, time * hop)."""
        if x.shape[1] == 0:
            return x.new_zeros(x.shape[0], 0)
        audio = overlap_add(self.frames(x), self.hop) / self._envelope(x.shape[1])
        return audio[:, self.side : audio.shape[1] - self.side]

    def step(self, x: Tensor, state: OpenSums | None, last: bool) -> tuple[Tensor, OpenSums]:
        """The next frames (batch, t, dim), t may be 0, to the samples that no later frame touches."""
        batch, time = x.shape[:2]
        sums, cut = (x.new_zeros(2, batch, 0), self.side) if state is None else (state.sums, state.cut)
        if time:
            squares = (self.window**2).expand(batch, time, self.size)
            fresh = torch.stack([overlap_add(self.frames(x), self.hop), overlap_add(squares, self.hop)])
            sums = fresh + F.pad(sums, (0, fresh.shape[2] - sums.shape[2]))
        ready = max(0, sums.shape[2] - self.side) if last else time * self.hop
        audio = sums[0, :, :ready] / sums[1, :, :ready].clamp_min(1e-4)
        dropped = min(cut, ready)
        return audio[:, dropped:], OpenSums(sums[:, :, ready:], cut - dropped)
