"""KALL-E's language model: [speaker latent] [text] [latents so far] to the Gaussian of the next latent.

One class in two sizes. `RELEASED` and `PAPER` are Llama-3.2-1B with a linear layer in and one out; parameter names are
those of the released checkpoint. `small` shapes read phones, and keep text and speech on one time axis.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems import weights
from ttsbench.systems.kalle.speaker import EcapaTdnn
from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.clock import places
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer, Watch

END_MEAN, END_LOGS = 1.0, 1.0  # the stop distribution: mean 1, standard deviation e, in every dimension


@dataclass(frozen=True)
class SpeakerShape:
    """The speaker branch: mel bins in, ECAPA channels, width of the speaker latent."""

    mels: int = 80
    channels: int = 512
    wide: int = 1536
    bottleneck: int = 128
    latent: int = 2048


@dataclass(frozen=True)
class KalleShape:
    """`vocabulary` text tokens, `latent` dimensions a frame; `speaker` None leaves the speaker branch out.

    `spacing` None numbers all positions in a row, as Llama does. A number puts text token i at i * spacing and speech
    frame t at t, so that rotary attention finds a phone near the frames it sounds in (with a prompt: see `nn.clock`);
    `text_layers` convolutions (kernel 5) let phones see their neighbours; `standardised` keeps shift and scale under
    which every dimension of the corpus' latents has mean 0 and deviation 1. All three belong to the small model only.
    """

    body: Shape
    vocabulary: int
    latent: int
    speaker: SpeakerShape | None = None
    spacing: float | None = None
    text_layers: int = 0
    standardised: bool = False


LLAMA_1B = Shape(2048, 16, 32, 8192, kv_heads=8, rope=Rope(5e5, factor=32.0), norm="rms", gated=True, activation="silu")
RELEASED = KalleShape(LLAMA_1B, vocabulary=128264, latent=512)
PAPER = replace(RELEASED, speaker=SpeakerShape())
SMALL = KalleShape(
    Shape(256, 6, 4, 1024, rope=Rope(), activation="relu"),
    vocabulary=42,  # 41 phones and the start of speech
    latent=96,
    speaker=SpeakerShape(mels=100, channels=96, wide=288, bottleneck=64, latent=32),
    spacing=1.12,  # the training corpus has 89.8 ms a phone, a frame is 80 ms
    text_layers=2,
    standardised=True,
)


class TextLayer(nn.Module):
    """x + convolution(gelu(norm(x))) over time, (batch, tokens, dim); padding must be zero and stays so."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.LayerNorm(dim), nn.Conv1d(dim, dim, 5, padding=2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        inner = F.gelu(self.norm(x), approximate="tanh") * mask
        return (x + self.conv(inner.transpose(1, 2)).transpose(1, 2)) * mask


class Backbone(Transformer):
    """The transformer with its token table, named as in Llama."""

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__(shape)
        self.embed_tokens = nn.Embedding(vocabulary, shape.dim)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)


class Kalle(nn.Module):
    """See the module's docstring. Text is left-padded, so that speech begins at the same column in all rows."""

    shift: Tensor
    scale: Tensor

    def __init__(self, shape: KalleShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.body.dim
        self.base_model = nn.ModuleDict({"model": Backbone(shape.body, shape.vocabulary)})
        self.audio_linear = nn.Linear(shape.latent, width)
        self.distribution_linear = nn.Linear(width, 2 * shape.latent)
        self.text_layers = nn.ModuleList(TextLayer(width) for _ in range(shape.text_layers))
        if shape.speaker is not None:
            s = shape.speaker
            self.speaker_encoder = EcapaTdnn(s.mels, s.channels, s.latent, s.wide, s.bottleneck)
            self.speaker_cond_disp_linear = nn.Linear(s.latent, 2 * s.latent)
            self.speaker_in = nn.Identity() if s.latent == width else nn.Linear(s.latent, width)
        if shape.standardised:
            self.register_buffer("shift", torch.zeros(shape.latent))
            self.register_buffer("scale", torch.ones(shape.latent))

    @property
    def body(self) -> Backbone:
        model = self.base_model["model"]
        assert isinstance(model, Backbone)
        return model

    def speaker(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation, each (batch, speaker latent), of a mel slice (batch, frames, mels)."""
        mean, logs = self.speaker_cond_disp_linear(self.speaker_encoder(mel)).float().chunk(2, dim=-1)
        return mean, logs.clamp(-6, 3)

    def prefix(
        self, ids: Tensor, mask: Tensor, speaker: Tensor | None, told: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What stands before the speech: embeddings (batch, n, dim), their mask and positions (batch, n).

        `ids` (batch, tokens) are left-padded, `mask` is True at real tokens; `speaker` is a latent (batch, width);
        `told` (batch, 2): how many of the tokens a prompt says, and in how many frames.
        """
        x = self.body.embed_tokens(ids)
        if len(self.text_layers):
            real = mask[..., None].to(x.dtype)
            x = x * real
            for layer in self.text_layers:
                x = layer(x, real)
        order = (mask.long().cumsum(dim=1) - 1).clamp_min(0).float()
        order = order if self.shape.spacing is None else places(order, self.shape.spacing, told)
        if speaker is not None:
            x = torch.cat([self.speaker_in(speaker)[:, None].to(x.dtype), x], dim=1)
            mask = torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)
            order = torch.cat([order.new_zeros(len(order), 1), order + (self.shape.spacing is None)], dim=1)
        return x, mask, order

    def speech_positions(self, prefix_mask: Tensor, first: int, count: int) -> Tensor:
        """Positions (batch, count) of speech frames `first`, `first` + 1 ..., counted from 1."""
        steps = torch.arange(first, first + count, device=prefix_mask.device, dtype=torch.float32)[None]
        if self.shape.spacing is not None:
            return steps.expand(len(prefix_mask), -1)
        return prefix_mask.sum(dim=1, keepdim=True) - 1 + steps

    def forward(
        self,
        ids: Tensor,
        text_mask: Tensor,
        latents: Tensor,
        latent_mask: Tensor,
        speaker: Tensor | None = None,
        watch: Watch | None = None,
        told: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Means and log-deviations of frames 1 ... frames + 1, each (batch, frames + 1, latent), float32.

        `latents` (batch, frames, latent) are samples; `latent_mask` (batch, frames) is True at real frames; `told` as
        in `prefix`.
        """
        x, mask, positions = self.prefix(ids, text_mask, speaker, told)
        columns = x.shape[1]
        speech = self.audio_linear(latents)
        x = torch.cat([x.to(speech.dtype), speech], dim=1)  # under autocast the residual stream is bf16: faster on CPU
        positions = torch.cat([positions, self.speech_positions(mask, 1, latents.shape[1])], dim=1)
        mask = torch.cat([mask, latent_mask], dim=1)
        hidden = self.body(x, mask=mask, positions=positions, watch=watch)[:, columns - 1 :]
        return self.distribution(hidden)

    def distribution(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation, float32, of hidden states (..., dim)."""
        mean, logs = self.distribution_linear(hidden).float().chunk(2, dim=-1)
        return mean, logs.clamp(-7, 4)

    def standardise(self, mean: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
        """The codec's posterior (..., latent) in the model's coordinates."""
        if not self.shape.standardised:
            return mean, logs
        return (mean - self.shift) / self.scale, logs - self.scale.log()

    def restore(self, latents: Tensor) -> Tensor:
        """The model's latents (..., latent) in the codec's coordinates."""
        return latents * self.scale + self.shift if self.shape.standardised else latents

    def fit_standard(self, mean: Tensor) -> None:
        """Set shift and scale from posterior means (frames, latent)."""
        self.shift.copy_(mean.mean(dim=0))
        self.scale.copy_(mean.std(dim=0).clamp_min(1e-4))

    def cache(self, batch: int, capacity: int) -> Cache:
        weight = self.audio_linear.weight
        return Cache(self.shape.body, batch, capacity, weight.device, weight.dtype)

    def load(self, tensors: dict[str, Tensor], where: Path | str = "KALL-E") -> None:
        """Load the released checkpoint: the tied output table, unused in speaking, is left out; the rest must match, or
        UserError names `where` and what differs.
        """
        kept = {name: value for name, value in tensors.items() if name != "base_model.lm_head.weight"}
        weights.fit(self, kept, where, "Get model.pt again: ttsbench fetch kalle")


def is_end(mean: Tensor, logs: Tensor) -> Tensor:
    """KL(predicted || stop distribution), a mean over dimensions: small where the model says that speech has ended."""
    return gaussian.kl(mean, logs, END_MEAN, END_LOGS).mean(dim=-1)


def save(model: Kalle, path: Path) -> None:
    """Write the weights as float32 with the shape beside them, whole or not at all."""
    weights.save(model.state_dict(), path, {"shape": json.dumps(asdict(model.shape))})


def restore(path: Path) -> Kalle:
    """What `save` wrote, in evaluation mode. UserError names the file and what is wrong."""
    about = weights.header(path) if path.is_file() else {}
    if "shape" not in about:
        raise UserError(f"{path}: no KALL-E checkpoint with its shape; make one: ttsbench train kalle --preset paper")
    model = Kalle(_shape(json.loads(about["shape"])))
    weights.fit(model, weights.read(path), path, "It was made by another version: train it again")
    return model.eval()


def _shape(values: dict[str, Any]) -> KalleShape:
    """The inverse of `asdict`, after a trip through JSON."""
    rope, speaker = values["body"].pop("rope"), values["speaker"]
    body = Shape(**values["body"], rope=None if rope is None else Rope(**rope))
    return KalleShape(**{**values, "body": body, "speaker": None if speaker is None else SpeakerShape(**speaker)})
