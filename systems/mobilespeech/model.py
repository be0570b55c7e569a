"""The network: text encoder, durations steered by the prompt, prompt encoder, and the speech mask decoder.

Shapes: B batch, P phones, T frames to speak, R prompt frames, K symbols a frame (all levels), d width. Symbols are
int64 (B, T, K), level after level as `Design.columns` lists them.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.mobilespeech.blocks import ConformerStack, Cross, FFTStack, silence
from ttsbench.systems.mobilespeech.design import Design
from ttsbench.systems.nn.convnext import StreamConv
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer


class Symbols(nn.Module):
    """One table for all symbols of a frame, which are summed; each has a learned row for 'hidden'."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        sizes = [size + 1 for size in design.columns]
        starts = [0, *itertools.accumulate(sizes)]
        self.register_buffer("offsets", torch.tensor(starts[:-1]), persistent=False)
        self.register_buffer("hidden", torch.tensor(design.columns), persistent=False)
        self.offsets: Tensor
        self.hidden: Tensor
        self.table = nn.EmbeddingBag(starts[-1], design.dim, mode="sum")
        nn.init.normal_(self.table.weight, std=len(design.columns) ** -0.5)

    def forward(self, codes: Tensor, hide: Tensor | None = None) -> Tensor:
        """Symbols (B, T, K), hidden where `hide` (B, T, K) is True, to (B, T, d)."""
        if hide is not None:
            codes = torch.where(hide, self.hidden, codes)
        rows = (codes + self.offsets).flatten(0, 1)
        return self.table(rows).view(*codes.shape[:2], -1)


class Joined(nn.Module):
    """Embedded prompt frames (B, R, d) to (B, R / stride, d), `stride` of them joined into one.

    Prompts are padded at their *left*, to whole multiples of `stride`, so that they end where the target begins.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.stride = design.stride
        self.join = nn.Linear(design.dim * design.stride, design.dim) if design.stride > 1 else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Also the mask (B, R / stride). A length that is no multiple is filled up by the first frame again."""
        spare = -x.shape[1] % self.stride
        if spare:
            x = torch.cat([x[:, :1].expand(-1, spare, -1), x], dim=1)
            mask = None if mask is None else F.pad(mask, (spare, 0))
        x = self.join(x.reshape(x.shape[0], -1, x.shape[2] * self.stride))
        return x, None if mask is None else mask[:, self.stride - 1 :: self.stride]


class Durations(nn.Module):
    """Frames of each phone: phones look at the prompt's duration tokens, then convolutions (Softplus, so never < 0)."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        dim, kernel = design.dim, design.duration_kernel
        shape = Shape(dim, design.duration_layers, design.heads, design.hidden, causal=False, rope=Rope())
        self.extractor = Transformer(shape)
        self.look = Cross(dim, design.heads)
        self.convolutions = nn.ModuleList(StreamConv(dim, dim, kernel, ahead=kernel // 2) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.drop = nn.Dropout(0.2 if design.dropout else 0.0)
        self.last = nn.Linear(dim, 1)

    def forward(self, text: Tensor, mask: Tensor, prompt: Tensor | None, prompt_mask: Tensor | None) -> Tensor:
        """Text states (B, P, d) and joined prompt (B, R', d), or None to do without, to frames (B, P) as floats."""
        x = text if prompt is None else self.look(text, self.extractor(prompt, mask=prompt_mask), prompt_mask)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.drop(norm(F.relu(convolution(silence(x, mask)))))
        return F.softplus(self.last(x).squeeze(-1).float())


class MobileSpeech(nn.Module):
    """All of it. Its methods are the stages, for training and speaking alike; one symbol table serves all readers."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        d = design
        self.design = design
        self.phones = nn.Embedding(d.phones, d.dim)
        nn.init.normal_(self.phones.weight, std=1.0)
        self.text_encoder = FFTStack(d.text_layers, d.dim, d.heads, d.text_hidden, d.text_kernel, d.dropout)
        self.symbols = Symbols(d)
        self.joined = Joined(d)
        self.durations = Durations(d)
        self.prompt_encoder = ConformerStack(d.prompt_layers, d.dim, d.heads, d.hidden, d.kernel, d.dropout)
        self.cross = Cross(d.dim, d.heads)
        self.segments = nn.Parameter(torch.zeros(2, d.dim))  # what is prompt, what is to be spoken
        self.decoder = ConformerStack(d.decoder_layers, d.dim, d.heads, d.hidden, d.kernel, d.dropout)
        self.heads = nn.ModuleList(nn.Linear(d.dim, sum(sizes)) for sizes in d.levels)

    def text(self, phones: Tensor) -> tuple[Tensor, Tensor]:
        """Phone numbers (B, P), 0 being padding, to states (B, P, d) and their mask (B, P)."""
        mask = phones > 0
        return self.text_encoder(self.phones(phones), mask), mask

    def hear(self, prompt: Tensor, mask: Tensor | None, voiceless: bool = False) -> tuple[Tensor, Tensor | None]:
        """Prompt symbols (B, R, K) and their mask (B, R) to joined frames (B, R', d) and their mask (B, R').

        `voiceless`: every symbol of it is hidden, so that only its length is known.
        """
        return self.joined(self.symbols(prompt, torch.ones_like(prompt, dtype=torch.bool) if voiceless else None), mask)

    def predict_durations(self, text: Tensor, mask: Tensor, heard: Tensor, heard_mask: Tensor | None) -> Tensor:
        """Frames of each phone, float (B, P). A tenth of the gradient goes on into the text encoder."""
        text = 0.1 * text + 0.9 * text.detach()
        if not self.design.prompt_durations:
            return self.durations(text, mask, None, None)
        return self.durations(text, mask, heard, heard_mask)

    def condition(
        self, text: Tensor, frames: Tensor, heard: Tensor, heard_mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What does not change from pass to pass: frames of text that have met the prompt, and the prompt itself.

        `frames` (B, P) counts each phone's frames. Returns X (B, T, d), its mask (B, T), and A (B, R', d).
        """
        x, mask = spread(text, frames)
        read = self.prompt_encoder(heard, heard_mask)
        if self.design.cross_attention:
            x = self.cross(x, read, heard_mask)
        return x, mask, read

    def states(
        self, x: Tensor, mask: Tensor | None, read: Tensor, read_mask: Tensor | None, codes: Tensor, hide: Tensor
    ) -> Tensor:
        """One pass of the decoder over prompt and target together, (B, T, d) of the target alone."""
        target = x + self.symbols(codes, hide) + self.segments[1]
        both = torch.cat([read + self.segments[0], target], dim=1)
        both_mask = None
        if mask is not None or read_mask is not None:
            ones = torch.ones(read.shape[:2], dtype=torch.bool, device=read.device)
            target_mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
            both_mask = torch.cat([ones if read_mask is None else read_mask, target_mask], dim=1)
        return self.decoder(both, both_mask)[:, read.shape[1] :]

    def logits(self, states: Tensor, level: int) -> list[Tensor]:
        """States (..., d) to one (..., size) for each symbol of `level`, float32."""
        return list(self.heads[level](states).float().split(self.design.levels[level], dim=-1))


def hide_from(level: Tensor, hidden: Tensor, design: Design) -> Tensor:
    """Which symbols the decoder must not see, bool (B, T, K): `hidden` (B, T) of `level` (B,), all of levels above."""
    parts = []
    for number, sizes in enumerate(design.levels):
        part = (level < number)[:, None] | ((level == number)[:, None] & hidden)
        parts.append(part[..., None].expand(-1, -1, len(sizes)))
    return torch.cat(parts, dim=-1)


def spread(text: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """The length regulator: each state (B, P, d) repeated `frames` (B, P) times, (B, T, d) and the mask (B, T)."""
    lengths = frames.sum(dim=1)
    time = int(lengths.max())
    places = torch.arange(time, device=text.device)
    index = torch.searchsorted(frames.cumsum(1), places.expand(len(frames), -1).contiguous(), right=True)
    index = index.clamp_max(text.shape[1] - 1)
    mask = places[None] < lengths[:, None]
    return text.gather(1, index[..., None].expand(-1, -1, text.shape[2])), mask


def whole_frames(predicted: Tensor, mask: Tensor) -> Tensor:
    """Predicted frames (B, P) as whole numbers, at least 1 for every real phone and 0 for padding."""
    return predicted.round().clamp_min(1).long() * mask
