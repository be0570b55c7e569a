"""The small codecs' shared shape: patches of log-mel frames, an encoder that sees both sides, a causal decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems.nn.convnext import ConvNeXt
from ttsbench.systems.nn.gaussian import flow_prior_kl
from ttsbench.systems.nn.mel import N_MELS
from ttsbench.systems.nn.quantizers import FSQ, ResidualVQ

FSQ_LEVELS = (16,) * 4 + (8,) * 8 + (4,) * 12  # 64 bits; the first dimensions start as the largest components
RVQ_LEVELS, RVQ_SIZE = 8, 1024
VAE_DIM = 96


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
    spread: float = 0.0  # of a Gaussian bottleneck: the mean standard deviation


class MelCodec(nn.Module):
    """Encoder (look-ahead allowed) and causal decoder around a bottleneck of `dim` numbers for `patch` mel frames."""

    def __init__(self, patch: int, dim: int, width: int = 256, hidden: int = 768) -> None:
        super().__init__()
        self.patch = patch
        self.encoder = ConvNeXt(patch * N_MELS, width, hidden, ahead=(3, 3, 3, 3, 3))
        self.inward = nn.Linear(width, dim)
        self.decoder = ConvNeXt(dim, width, hidden, ahead=(0,) * 7)
        self.outward = nn.Linear(width, patch * N_MELS)
        # Linear paths beside the stacks: they start as principal components, and the stacks learn what these leave
        self.skip_in, self.skip_out = nn.Linear(patch * N_MELS, dim), nn.Linear(dim, patch * N_MELS)
        for layer in (self.inward, self.outward):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def hidden(self, mel: Tensor) -> Tensor:
        """(batch, frames, 100) to the bottleneck's input (batch, frames // patch, dim)."""
        flat = patches(mel, self.patch)
        return self.inward(self.encoder(flat)) + self.skip_in(flat)

    def mel_from(self, latents: Tensor) -> Tensor:
        """(batch, time, dim) to log-mels (batch, time * patch, 100)."""
        flat = self.outward(self.decoder(latents)) + self.skip_out(latents)
        return flat.reshape(flat.shape[0], -1, N_MELS)

    def mel_step(self, latents: Tensor, state: list[Tensor | None] | None) -> tuple[Tensor, list[Tensor | None]]:
        """As `mel_from`, for the next latents."""
        hidden, state = self.decoder.step(latents, state, last=False)
        flat = self.outward(hidden) + self.skip_out(latents)
        return flat.reshape(latents.shape[0], -1, N_MELS), state

    def latents(self, codes: Tensor) -> Tensor:
        """What `encode` gave to the decoder's input."""
        raise NotImplementedError

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mels (batch, frames, 100) to codes or latents (batch, frames // patch, k)."""
        raise NotImplementedError


class QuantizedCodec(MelCodec):
    """50 Hz codes: residual VQ (8 x 1024, 80 bits a frame) or FSQ (24 dimensions, 64 bits a frame).

    Before residual VQ each dimension is bounded by tanh, as in FSQ, and weighted by `gain`: how much it moves the mels.
    """

    gain: Tensor

    def __init__(self, quantizer: ResidualVQ | FSQ, dim: int) -> None:
        super().__init__(patch=2, dim=dim)
        self.quantizer = quantizer
        if isinstance(quantizer, ResidualVQ):
            self.register_buffer("gain", torch.ones(dim))

    def hidden(self, mel: Tensor) -> Tensor:
        hidden = super().hidden(mel)
        return torch.tanh(hidden) * self.gain if isinstance(self.quantizer, ResidualVQ) else hidden

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
        nn.init.constant_(self.spread.bias, -2.0)
        self.flow = nn.ModuleList(Coupling(dim) for _ in range(flows))
        self.weight = 3e-5  # of the divergence; training moves it (`training.codec.Spread`)

    def posterior(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (batch, frames // 8, dim)."""
        flat = patches(mel, self.patch)
        hidden = self.encoder(flat)
        return (self.inward(hidden) + self.skip_in(flat)).float(), self.spread(hidden).float().clamp(-6, 2)

    def forward(self, mel: Tensor) -> Coded:
        mean, log_std = self.posterior(mel)
        z = mean + torch.randn_like(mean) * log_std.exp()
        return Coded(
            self.mel_from(z), z, self.weight * self.divergence(z, log_std), float(log_std.detach().exp().mean())
        )

    def divergence(self, z: Tensor, log_std: Tensor) -> Tensor:
        """KL(q || flow prior) by one sample, in nats a frame: log q(z) - log N(f(z); 0, 1); the flow keeps volume."""
        with torch.autocast(z.device.type, enabled=False):
            moved = z
            for coupling in self.flow:
                moved = coupling(moved)
            return flow_prior_kl(moved, log_std).sum(-1).mean()

    def prior_sample(self, noise: Tensor) -> Tensor:
        """Standard normal (batch, time, dim) through the flow backwards: a sample of the prior over latents."""
        for coupling in reversed(self.flow):
            noise = coupling(noise, reverse=True)
        return noise

    def encode(self, mel: Tensor) -> Tensor:
        return self.posterior(mel)[0]

    def latents(self, codes: Tensor) -> Tensor:
        return codes


@torch.no_grad()
def settle(quantizer: ResidualVQ, latents: Tensor, passes: int = 12, rows: int = 16384) -> None:
    """Fit the codebooks to vectors (n, dim) by `passes` of k-means, with moving averages over batches of `rows`."""
    decay, quantizer.decay = quantizer.decay, 0.5
    rows = min(rows, len(latents) // 16 * 16)
    quantizer.train()
    for _ in range(passes):
        chosen = latents[torch.randint(len(latents), (rows,))]
        quantizer(chosen.reshape(16, -1, latents.shape[1]))
    quantizer.decay = decay


@torch.no_grad()
def adopt(codec: QuantizedCodec, fsq: QuantizedCodec, gain: Tensor | None = None) -> None:
    """Give an RVQ codec the stacks of an FSQ codec.

    `gain` (24,) is the weight of each latent in the distance to codebook entries; None: how far it moves the mels.
    """
    assert isinstance(codec.quantizer, ResidualVQ) and isinstance(fsq.quantizer, FSQ)
    levels = fsq.quantizer.levels.float()
    stretch = levels / (levels - 1)  # FSQ's values reach this far
    gain = fsq.skip_out.weight.norm(dim=0) * stretch if gain is None else gain
    own = codec.state_dict()
    own.update({name: value for name, value in fsq.state_dict().items() if name in own})
    own["gain"] = gain
    own["skip_out.weight"] = fsq.skip_out.weight * stretch / gain
    embed = "decoder.embed.conv.weight"
    own[embed] = fsq.state_dict()[embed] * (stretch / gain)[None, :, None, None]
    codec.load_state_dict(own)


@torch.no_grad()
def from_fsq(codec: QuantizedCodec, fsq: QuantizedCodec, mel: Tensor, passes: int = 60) -> None:
    """Start an RVQ codec as a trained FSQ codec: the same stacks, codebooks fitted to its latents of `mel`."""
    assert isinstance(codec.quantizer, ResidualVQ)
    adopt(codec, fsq)
    codec.eval()
    settle(codec.quantizer, torch.cat([codec.hidden(piece) for piece in mel.split(32)]).flatten(0, 1), passes)
    codec.train()


@torch.no_grad()
def start_from(codec: QuantizedCodec | FlowVAE, mel: Tensor) -> None:
    """Set the linear paths to the principal components of patches of `mel` (batch, frames, 100)."""
    flat = patches(mel, codec.patch).reshape(-1, codec.patch * N_MELS)
    mean = flat.mean(0)
    values, axes = torch.linalg.eigh(torch.cov(flat.T))
    dim = codec.skip_in.out_features
    axes, spread = axes.flip(1)[:, :dim], values.flip(0)[:dim].clamp_min(1e-6).sqrt()
    scale = spread if isinstance(codec, FlowVAE) else 1.3 * spread  # tanh bends the tails
    codec.skip_in.weight.copy_((axes / scale).T)
    codec.skip_in.bias.copy_(-(mean @ axes) / scale)
    latents = codec.skip_in(flat)
    if isinstance(codec, QuantizedCodec):
        if isinstance(codec.quantizer, ResidualVQ):
            codec.gain.copy_(scale)
            latents = torch.tanh(latents) * codec.gain
            settle(codec.quantizer, latents)
        codec.quantizer.eval()
        latents = codec.quantizer(latents[None])[0][0]
    ones = torch.cat([latents, torch.ones(len(latents), 1)], 1)
    ridge = 1e-4 * len(ones) * torch.eye(dim + 1)  # components near zero must not get huge weights
    solved = torch.linalg.solve(ones.T @ ones + ridge, ones.T @ flat)
    codec.skip_out.weight.copy_(solved[:-1].T)
    codec.skip_out.bias.copy_(solved[-1])
    codec.train()


def build(name: str) -> QuantizedCodec | FlowVAE:
    """An untrained codec: 'rvq', 'fsq' or 'flowvae'."""
    if name == "rvq":
        return QuantizedCodec(ResidualVQ(len(FSQ_LEVELS), RVQ_LEVELS, RVQ_SIZE), len(FSQ_LEVELS))
    if name == "fsq":
        return QuantizedCodec(FSQ(FSQ_LEVELS), len(FSQ_LEVELS))
    if name == "flowvae":
        return FlowVAE()
    raise UserError(f"no codec is called {name!r}; there are rvq, fsq and flowvae")


def bits(codec: MelCodec) -> float | None:
    """Bits a frame; None where latents are continuous."""
    if isinstance(codec, QuantizedCodec):
        quantizer = codec.quantizer
        return quantizer.bits if isinstance(quantizer, FSQ) else quantizer.levels * math.log2(quantizer.size)
    return None


def reconstruction(made: Tensor, true: Tensor) -> Tensor:
    """L1 of log-mels and, at half weight, of their change in time, which keeps onsets sharp.

    Bands near the noise floor count a fifth: what is 40 dB below speech costs bits and is not heard.
    """
    weight = 0.2 + 0.8 * torch.sigmoid((true + 0.4) / 0.3)
    plain = (weight * (made - true).abs()).mean()
    change = (made[:, 1:] - made[:, :-1]) - (true[:, 1:] - true[:, :-1])
    return plain + 0.5 * (weight[:, 1:] * change.abs()).mean()
