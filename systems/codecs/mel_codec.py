"""The small codecs' shared shape: patches of log-mel frames, an encoder that sees both sides, a causal decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.convnext import ConvNeXt
from ttsbench.systems.nn.mel import N_MELS
from ttsbench.systems.nn.quantizers import FSQ, ResidualVQ

FSQ_LEVELS = (8, 8, 8, 5, 5, 5) * 3
RVQ_LEVELS, RVQ_SIZE, RVQ_DIM = 8, 1024, 64
VAE_DIM = 64


def patches(mel: Tensor, size: int) -> Tensor:
    """(batch, frames, mels) to (batch, frames // size, size * mels)."""
    batch, frames, mels = mel.shape
    return mel[:, : frames // size * size].reshape(batch, frames // size, size * mels)


@dataclass
class Coded:
    """What one training pass of a codec gives: the mels again, the codes or latents, and the bottleneck's own loss."""

    mel: Tensor
    codes: Tensor
    loss: Tensor


class MelCodec(nn.Module):
    """Encoder (look-ahead allowed) and causal decoder around a bottleneck of `dim` numbers for `patch` mel frames."""

    def __init__(self, patch: int, dim: int, width: int = 256, hidden: int = 768) -> None:
        super().__init__()
        self.patch = patch
        self.encoder = ConvNeXt(patch * N_MELS, width, hidden, ahead=(3, 3, 3, 3, 3))
        self.inward = nn.Linear(width, dim)
        self.decoder = ConvNeXt(dim, width, hidden, ahead=(0,) * 7)
        self.outward = nn.Linear(width, patch * N_MELS)

    def hidden(self, mel: Tensor) -> Tensor:
        """(batch, frames, 100) to the bottleneck's input (batch, frames // patch, dim)."""
        return self.inward(self.encoder(patches(mel, self.patch)))

    def mel_from(self, latents: Tensor) -> Tensor:
        """(batch, time, dim) to log-mels (batch, time * patch, 100)."""
        flat = self.outward(self.decoder(latents))
        return flat.reshape(flat.shape[0], -1, N_MELS)

    def mel_step(self, latents: Tensor, state: list[Tensor | None] | None) -> tuple[Tensor, list[Tensor | None]]:
        """As `mel_from`, for the next latents."""
        hidden, state = self.decoder.step(latents, state, last=False)
        return self.outward(hidden).reshape(latents.shape[0], -1, N_MELS), state

    def latents(self, codes: Tensor) -> Tensor:
        """What `encode` gave to the decoder's input."""
        raise NotImplementedError

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mels (batch, frames, 100) to codes or latents (batch, frames // patch, k)."""
        raise NotImplementedError


class QuantizedCodec(MelCodec):
    """50 Hz codes: residual VQ (8 x 1024, 80 bits a frame) or FSQ (18 dimensions, 48 bits a frame)."""

    def __init__(self, quantizer: ResidualVQ | FSQ, dim: int) -> None:
        super().__init__(patch=2, dim=dim)
        self.quantizer = quantizer

    def forward(self, mel: Tensor) -> Coded:
        latents, codes, loss = self.quantizer(self.hidden(mel))
        return Coded(self.mel_from(latents), codes, 0.1 * loss)

    def encode(self, mel: Tensor) -> Tensor:
        return self.quantizer(self.hidden(mel))[1]

    def latents(self, codes: Tensor) -> Tensor:
        return self.quantizer.decode(codes)


class Coupling(nn.Module):
    """Affine coupling with a shift only, so its determinant is one (VITS, Kim et al. 2021, 2.3); halves swap after
    it.
    """

    def __init__(self, dim: int, width: int = 192) -> None:
        super().__init__()
        self.kept = dim // 2
        self.shift = ConvNeXt(self.kept, width, 2 * width, ahead=(2, 2), kernel=5)
        self.out = nn.Linear(width, dim - self.kept)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, z: Tensor, reverse: bool = False) -> Tensor:
        if reverse:
            z = z.flip(-1)
        kept, moved = z[..., : self.kept], z[..., self.kept :]
        shift = self.out(self.shift(kept)).to(z.dtype)
        z = torch.cat([kept, moved - shift if reverse else moved + shift], -1)
        return z if reverse else z.flip(-1)


class FlowVAE(MelCodec):
    """12.5 Hz Gaussian latents whose prior is a normalising flow (KALL-E, 2.1): KL between posterior and flow prior."""

    def __init__(self, dim: int = VAE_DIM, flows: int = 4) -> None:
        super().__init__(patch=8, dim=dim)
        self.spread = nn.Linear(256, dim)
        self.flow = nn.ModuleList(Coupling(dim) for _ in range(flows))

    def posterior(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (batch, frames // 8, dim)."""
        hidden = self.encoder(patches(mel, self.patch))
        return self.inward(hidden).float(), self.spread(hidden).float().clamp(-6, 2)

    def forward(self, mel: Tensor) -> Coded:
        mean, log_std = self.posterior(mel)
        z = mean + torch.randn_like(mean) * log_std.exp()
        return Coded(self.mel_from(z), z, 5e-5 * self.divergence(z, log_std))

    def divergence(self, z: Tensor, log_std: Tensor) -> Tensor:
        """KL(q || flow prior) by one sample, in nats a frame: log q(z) - log N(f(z); 0, 1); the flow keeps volume."""
        with torch.autocast(z.device.type, enabled=False):
            moved = z
            for coupling in self.flow:
                moved = coupling(moved)
            return (0.5 * moved.square() - log_std - 0.5).sum(-1).mean()

    def prior_sample(self, noise: Tensor) -> Tensor:
        """Standard normal (batch, time, dim) through the flow backwards: a sample of the prior over latents."""
        for coupling in reversed(self.flow):
            noise = coupling(noise, reverse=True)
        return noise

    def encode(self, mel: Tensor) -> Tensor:
        return self.posterior(mel)[0]

    def latents(self, codes: Tensor) -> Tensor:
        return codes


def build(name: str) -> QuantizedCodec | FlowVAE:
    """An untrained codec: 'rvq', 'fsq' or 'flowvae'."""
    if name == "rvq":
        return QuantizedCodec(ResidualVQ(RVQ_DIM, RVQ_LEVELS, RVQ_SIZE), RVQ_DIM)
    if name == "fsq":
        return QuantizedCodec(FSQ(FSQ_LEVELS), len(FSQ_LEVELS))
    if name == "flowvae":
        return FlowVAE()
    raise ValueError(f"no codec is called {name!r}; there are rvq, fsq and flowvae")


def bits(codec: MelCodec) -> float | None:
    """Bits a frame; None where latents are continuous."""
    if isinstance(codec, QuantizedCodec):
        quantizer = codec.quantizer
        return quantizer.bits if isinstance(quantizer, FSQ) else quantizer.levels * math.log2(quantizer.size)
    return None


def reconstruction(made: Tensor, true: Tensor) -> Tensor:
    """Mean L1 of log-mels plus L1 of their change in time, which keeps onsets sharp."""
    plain = F.l1_loss(made, true)
    return plain + 0.5 * F.l1_loss(made[:, 1:] - made[:, :-1], true[:, 1:] - true[:, :-1])
