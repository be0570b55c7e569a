"""The full-size Flow-VAE of KALL-E: 16 kHz audio to one 512-dimensional Gaussian per 80 ms and back (arXiv 2412.16846).

Layer for layer the public code's `flowvae_dim1024_12p5hz` configuration; parameter names are those of its checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems import weights
from ttsbench.systems.codecs.stateful import Memory
from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.flow import Flow
from ttsbench.systems.nn.wavenorm import AntiAliased, NormedConv1d, NormedUpsample1d


@dataclass(frozen=True)
class FlowVAEShape:
    """Channel widths and strides. The defaults are the published 512-dimensional 12.5 Hz model."""

    latent: int = 512
    down: tuple[int, ...] = (2, 2, 4, 4, 4, 5)
    channels: tuple[int, ...] = (12, 24, 48, 96, 192, 384, 768)
    up: tuple[int, ...] = (5, 4, 4, 4, 2, 2)
    first: int = 1536
    kernels: tuple[int, ...] = (3, 7, 11)
    flow_hidden: int = 512
    sample_rate: int = 16000

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return math.prod(self.down)


class PlainConv1d(nn.Module):
    """A weight-normalised convolution under the name `layer`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.layer = NormedConv1d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class ResStack(nn.Module):
    """Six residual pairs of convolutions, kernel 3, dilations 1, 2, 4 ... 32 and 1."""

    def __init__(self, channels: int, depth: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(),
                NormedConv1d(channels, channels, 3, dilation=2**i, padding=2**i),
                nn.LeakyReLU(),
                NormedConv1d(channels, channels, 3, padding=1),
            )
            for i in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class Encoder(nn.Module):
    """(batch, 1, samples) to means and logarithms of deviations, (batch, 2 * latent, frames)."""

    def __init__(self, shape: FlowVAEShape) -> None:
        super().__init__()
        layers: list[nn.Module] = [PlainConv1d(1, shape.channels[0], 3), nn.LeakyReLU(0.2)]
        for before, after, stride in zip(shape.channels, shape.channels[1:], shape.down, strict=False):
            layers += [PlainConv1d(before, after, 2 * stride, stride), ResStack(after), nn.LeakyReLU(0.2)]
        layers.append(PlainConv1d(shape.channels[-1], 2 * shape.latent, 3))
        self.generator = nn.Sequential(*layers)

    def forward(self, audio: Tensor) -> Tensor:
        return self.generator(audio)


class AMPBlock(nn.Module):
    """BigVGAN's residual block: causal convolutions (dilations 1, 3, 5, each followed by 1) between snakes."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            NormedConv1d(channels, channels, kernel, dilation=d, causal=True) for d in (1, 3, 5)
        )
        self.convs2 = nn.ModuleList(NormedConv1d(channels, channels, kernel, causal=True) for _ in range(3))
        self.activations = nn.ModuleList(AntiAliased(channels) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        for index, (wide, narrow) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            y = wide(self.activations[2 * index](x))
            x = x + narrow(self.activations[2 * index + 1](y))
        return x

    def step(self, x: Tensor, memory: Memory, last: bool) -> Tensor:
        """As a call, for the next samples; what comes out is later than what goes in by the activations' look-ahead."""
        convs = cast(
            "list[NormedConv1d]", [conv for pair in zip(self.convs1, self.convs2, strict=True) for conv in pair]
        )
        y = x
        for index, (conv, activation) in enumerate(zip(convs, self.activations, strict=True)):
            y = memory.normed(conv, memory.snake(cast("AntiAliased", activation), y, last), last)
            if index % 2:
                x = y = memory.queue((self, index), x, y.shape[-1]) + y
        return x


class FlowVAE(nn.Module):
    """Encoder, flow (training only) and decoder (`systems.codecs.Codec`). Latents are (batch, frames, latent).

    `posterior` gives mean and log-deviation; `decode` takes latents, whether drawn, mean, or predicted by a language
    model.
    """

    name, codebook_size, levels, bits_per_second = "flowvae-full", 0, (), None

    def __init__(self, shape: FlowVAEShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or FlowVAEShape()
        self.sample_rate, self.frame_rate = shape.sample_rate, shape.sample_rate / shape.hop
        self.hop, self.codebooks = shape.hop, shape.latent
        self.audio_encoder = Encoder(shape)
        self.flow = Flow(shape.latent, shape.flow_hidden)
        self.conv_pre = NormedConv1d(shape.latent, shape.first, 7, padding=3)
        widths = [shape.first >> i for i in range(len(shape.up) + 1)]
        self.ups = nn.ModuleList(
            nn.ModuleList([NormedUpsample1d(widths[i], widths[i + 1], stride)]) for i, stride in enumerate(shape.up)
        )
        self.resblocks = nn.ModuleList(AMPBlock(width, kernel) for width in widths[1:] for kernel in shape.kernels)
        self.activation_post = AntiAliased(widths[-1])
        self.conv_post = NormedConv1d(widths[-1], 1, 7, causal=True)

    def posterior(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, samples) in [-1, 1] to mean and log-deviation, each (batch, frames, latent).

        As in the public code nothing is added at the end: what the strided convolutions cannot fill gives no frame, or
        one more. Less than a frame is filled up with silence.
        """
        audio = F.pad(audio, (0, max(0, self.hop - audio.shape[-1])))
        mean, logs = self.audio_encoder(audio[:, None]).transpose(1, 2).chunk(2, dim=-1)
        return mean, logs

    def encode(self, audio: Tensor) -> Tensor:
        """The posterior's mean, (batch, frames, latent), of audio filled up to whole frames."""
        return self.posterior(F.pad(audio, (0, -audio.shape[-1] % self.hop)))[0]

    def decode(self, latents: Tensor) -> Tensor:
        """(batch, frames, latent) to (batch, frames * hop) in [-1, 1]."""
        x = self.conv_pre(latents.transpose(1, 2))
        branches = len(self.shape.kernels)
        for index, up in enumerate(self.ups):
            for layer in up.children():
                x = layer(x)
            blocks = list(self.resblocks)[index * branches : (index + 1) * branches]
            x = sum((block(x) for block in blocks), torch.zeros(())) / branches
        return self.conv_post(self.activation_post(x)).tanh()[:, 0]

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One training pass: audio (batch, samples) to its reconstruction, flowed latents and log-deviations."""
        mean, logs = self.posterior(audio)
        latents = gaussian.sample(mean, logs)
        return self.decode(latents), self.flow(latents.transpose(1, 2)).transpose(1, 2), logs

    def decode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Latents (1, some frames, latent) as they come to audio (1, samples) as soon as it is final.

        The same samples as `decode` of everything, and no frame is decoded twice: all layers are causal but the first
        convolution, which waits for 3 frames, and the low-pass filters, which wait for 5 samples each.
        """
        memory, empty = Memory(), None
        for piece in pieces:
            empty = piece[:, :0]
            audio = self._step(piece, memory, last=False)
            if audio.shape[1]:
                yield audio
        if empty is not None:
            audio = self._step(empty, memory, last=True)
            if audio.shape[1]:
                yield audio

    def _step(self, latents: Tensor, memory: Memory, last: bool) -> Tensor:
        x = memory.normed(self.conv_pre, latents.transpose(1, 2), last)
        branches = len(self.shape.kernels)
        for index, up in enumerate(self.ups):
            for layer in up.children():
                assert isinstance(layer, NormedUpsample1d)
                x = memory.upsample(layer, x)
            blocks = list(self.resblocks)[index * branches : (index + 1) * branches]
            parts = [block.step(x, memory, last) for block in blocks if isinstance(block, AMPBlock)]
            x = torch.stack(parts).sum(dim=0) / branches
        return memory.normed(self.conv_post, memory.snake(self.activation_post, x, last), last).tanh()[:, 0]

    def load(self, tensors: dict[str, Tensor], where: Path | str = "flowvae.pt") -> None:
        """Load the published checkpoint's `generator` dictionary; every name and shape must match, or UserError names
        `where` and what differs.
        """
        found = cast("dict[str, Tensor]", tensors.get("generator", tensors))
        weights.fit(self, found, where, "Get flowvae.pt again: ttsbench fetch kalle")

    def save(self, path: Path) -> None:
        """Write the weights, with the shape beside them."""
        weights.save(self.state_dict(), path, {"shape": json.dumps(asdict(self.shape))})

    @classmethod
    def saved(cls, path: Path) -> FlowVAE:
        """What `save` wrote."""
        given = json.loads(weights.header(path).get("shape", "{}"))
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        model = cls(FlowVAEShape(**{**given, **lists}))
        model.load(weights.read(path), path)
        return model.eval()

    @classmethod
    def published(cls, download: bool = False) -> FlowVAE:
        """The model with its published weights, or one that was trained here (flowvae.safetensors in the same folder);
        raises `weights.MissingWeights` where neither is on this machine.
        """
        try:
            path = weights.find(weights.FLOW_VAE, download)
        except weights.MissingWeights:
            own = replace(weights.FLOW_VAE, file="flowvae.safetensors")
            if weights.lacks(own):
                raise
            return cls.saved(weights.find(own))
        model = cls()
        model.load(weights.read(path), path)
        return model.eval()
