"""Vector quantizers: residual VQ with EMA codebooks, and finite scalar quantization. Tensors are (batch, time, dim)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ResidualVQ(nn.Module):
    """Residual vector quantization (Zeghidour et al. 2021) with codebooks learned by moving averages.

    Codebooks start from the first batch; an entry used less than `dead` times a batch (moving average) is replaced
    by an
    input vector. In training, half of the rows use a random number of levels, so fewer levels decode too.
    """

    codebooks: Tensor
    counts: Tensor
    sums: Tensor
    ready: Tensor

    def __init__(self, dim: int, levels: int, size: int, decay: float = 0.98, dead: float = 0.1) -> None:
        super().__init__()
        self.levels, self.size, self.decay, self.dead = levels, size, decay, dead
        self.register_buffer("codebooks", torch.zeros(levels, size, dim))
        self.register_buffer("counts", torch.ones(levels, size))
        self.register_buffer("sums", torch.zeros(levels, size, dim))
        self.register_buffer("ready", torch.zeros(levels, dtype=torch.bool))

    def nearest(self, x: Tensor, level: int) -> Tensor:
        """Indices (...,) of the entries closest to x (..., dim)."""
        book = self.codebooks[level]
        return (book.square().sum(1) - 2 * x @ book.T).argmin(-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Straight-through quantized x, codes (batch, time, levels), and the commitment loss."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            rest, total, codes, loss = x, torch.zeros_like(x), [], x.new_zeros(())
            used = torch.full((x.shape[0],), self.levels, device=x.device)
            if self.training:
                some = torch.rand(x.shape[0], device=x.device) < 0.5
                used = torch.where(some, torch.randint(1, self.levels + 1, used.shape, device=x.device), used)
            for level in range(self.levels):
                if self.training:
                    self._begin(rest.detach(), level)
                index = self.nearest(rest.detach(), level)
                chosen = self.codebooks[level][index]
                on = (level < used)[:, None, None].to(x.dtype)
                loss = loss + (on * (rest - chosen).square()).mean()
                if self.training:
                    self._learn(rest.detach()[level < used], index[level < used], level)
                total, rest = total + on * chosen, rest - chosen
                codes.append(index)
            return x + (total - x).detach(), torch.stack(codes, -1), loss / self.levels

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, time, k), k <= levels, to the sum of their entries (batch, time, dim)."""
        return torch.stack([self.codebooks[k][codes[..., k]] for k in range(codes.shape[-1])]).sum(0)

    @torch.no_grad()
    def _begin(self, x: Tensor, level: int) -> None:
        if self.ready[level]:
            return
        flat = x.reshape(-1, x.shape[-1])
        self.codebooks[level] = flat[torch.randint(len(flat), (self.size,), device=x.device)]
        self.sums[level] = self.codebooks[level]
        self.ready[level] = True

    @torch.no_grad()
    def _learn(self, x: Tensor, index: Tensor, level: int) -> None:
        flat, index = x.reshape(-1, x.shape[-1]), index.reshape(-1)
        if len(flat) == 0:
            return
        count = torch.bincount(index, minlength=self.size).to(flat.dtype)
        self.counts[level].mul_(self.decay).add_(count, alpha=1 - self.decay)
        total = torch.zeros_like(self.sums[level]).index_add_(0, index, flat)
        self.sums[level].mul_(self.decay).add_(total, alpha=1 - self.decay)
        self.codebooks[level] = self.sums[level] / self.counts[level].clamp_min(1e-4)[:, None]
        gone = torch.nonzero(self.counts[level] < self.dead)[:, 0]
        if len(gone):
            fresh = flat[torch.randint(len(flat), (len(gone),), device=x.device)]
            self.codebooks[level, gone] = fresh
            self.counts[level, gone] = 1.0
            self.sums[level, gone] = fresh


class FSQ(nn.Module):
    """Finite scalar quantization (Mentzer et al. 2023): each dimension is bounded and rounded to one of its levels."""

    levels: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    @property
    def bits(self) -> float:
        return float(sum(math.log2(int(n)) for n in self.levels))

    def _bound(self, x: Tensor) -> Tensor:
        """x (..., dims) into (-0.5, levels - 0.5)."""
        levels = self.levels.to(x.dtype)
        return (torch.tanh(x) + 1) / 2 * (levels - 1e-3) - 0.5 + 5e-4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Straight-through values in [-1, 1], codes (batch, time, dims) in 0..levels-1, and a loss of zero."""
        with torch.autocast(x.device.type, enabled=False):
            bounded = self._bound(x.float())
            codes = torch.minimum(bounded.round().clamp_min(0), self.levels - 1.0)
            values = bounded + (codes - bounded).detach()
            return values * 2 / (self.levels - 1.0) - 1, codes.detach().long(), x.new_zeros(())

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, time, dims) to values in [-1, 1]."""
        return codes.to(torch.float32) * 2 / (self.levels - 1.0) - 1
