"""A normalising flow of mean-only coupling layers: VITS (Kim et al. 2021), Flow-VAE (KALL-E, arXiv 2412.16846).

Every layer shifts one half of the channels by what it reads in the other half, so the log-determinant is 0 and the
inverse is exact. Parameter names are those of the published Flow-VAE checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.wavenorm import NormedConv1d


class CausalConv1d(nn.Conv1d):
    """Conv1d padded with zeros on the left."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.kernel_size[0] - 1, 0)))


class GatedStack(nn.Module):
    """WaveNet-like stack: tanh times sigmoid, a residual and a skip path per layer (van den Oord et al. 2016)."""

    def __init__(self, hidden: int, kernel: int, layers: int) -> None:
        super().__init__()
        last = layers - 1
        self.in_layers = nn.ModuleList(NormedConv1d(hidden, 2 * hidden, kernel, causal=True) for _ in range(layers))
        self.res_skip_layers = nn.ModuleList(
            NormedConv1d(hidden, hidden if i == last else 2 * hidden, 1) for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, hidden, frames) to the same: the sum of the skip paths."""
        total = torch.zeros_like(x)
        for read, write in zip(self.in_layers, self.res_skip_layers, strict=True):
            signal, gate = read(x).chunk(2, dim=1)
            out = write(signal.tanh() * gate.sigmoid())
            if out.shape[1] > x.shape[1]:
                residual, out = out.chunk(2, dim=1)
                x = x + residual
            total = total + out
        return total


class Coupling(nn.Module):
    """Adds m(first half) to the second half; m starts as zero."""

    def __init__(self, channels: int, hidden: int, kernel: int, layers: int) -> None:
        super().__init__()
        half = channels // 2
        self.pre = CausalConv1d(half, hidden, 1)
        self.enc = GatedStack(hidden, kernel, layers)
        self.post = CausalConv1d(hidden, half, 1)
        for parameter in self.post.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, inverse: bool = False) -> Tensor:
        kept, moved = x.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(kept)))
        return torch.cat([kept, moved - shift if inverse else moved + shift], dim=1)


class Flip(nn.Module):
    """Reverses the channels, so that the next coupling moves the other half."""

    def forward(self, x: Tensor, inverse: bool = False) -> Tensor:
        return x.flip(1)


class Flow(nn.Module):
    """`steps` couplings with flips between; causal in time. (batch, channels, frames) to the same."""

    def __init__(self, channels: int, hidden: int, kernel: int = 5, layers: int = 4, steps: int = 4) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"a coupling layer halves the channels: {channels} is odd")
        parts = [module for _ in range(steps) for module in (Coupling(channels, hidden, kernel, layers), Flip())]
        self.flows = nn.ModuleList(parts)

    def forward(self, z: Tensor, inverse: bool = False) -> Tensor:
        for part in reversed(self.flows) if inverse else self.flows:
            z = part(z, inverse)
        return z
