"""The LiveSpeech model: speech encoder, text embedding, decoder with cross-attention, codebook group heads.

model = LiveSpeech(PAPER_GROUPS)
memory = model.remember(features, symbols)            # read once per utterance
logits = model(grid[:, :-1], memory)                  # training: the delayed grid, shifted by one step
state = model.begin(capacity=500)                     # speaking: one row of codes in, logits of the next row out
logits = model(row, memory, state=state)
"""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems import packing, weights
from ttsbench.systems.livespeech.design import Design
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.clock import places
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer, Watch, sinusoids


class Memory(NamedTuple):
    """What cross-attention reads: `vectors` (batch, enrolled + symbols, dim); `mask` True where something stands;
    `positions` (batch or 1, enrolled + symbols) on the frames' axis, where the design has a `spacing`.
    """

    vectors: Tensor
    mask: Tensor | None = None
    positions: Tensor | None = None


@dataclass
class State:
    """The caches of the shared layers (batch) and of the group layers (batch * groups)."""

    shared: Cache
    grouped: Cache


class SpeechEncoder(nn.Module):
    """Any number of feature frames to a fixed number of vectors: learned queries in front of the frames, both read by
    bidirectional blocks, the queries' positions kept. (How the paper pools is not said; its 77M fit six plain blocks.)
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        width = design.encoder_dim
        shape = Shape(width, design.encoder_layers, design.encoder_heads, design.encoder_hidden, causal=False)
        self.read = nn.Linear(design.features, width, bias=False)
        self.queries = nn.Parameter(torch.randn(design.enrolled, width) * 0.5)
        self.blocks = Transformer(shape)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """`features` (batch, frames, features), `mask` (batch, frames): to (batch, enrolled, encoder_dim)."""
        batch, frames, _ = features.shape
        read = self.read(features)
        read = read + sinusoids(torch.arange(frames, device=features.device), read.shape[-1]).to(read.dtype)
        x = torch.cat([self.queries.expand(batch, -1, -1).to(read.dtype), read], dim=1)
        if mask is not None:
            mask = torch.cat([mask.new_ones(batch, len(self.queries)), mask], dim=1)
        return self.blocks(x, mask=mask)[:, : len(self.queries)]


class CodeTables(nn.Module):
    """One table (vocabulary, dim) per codebook. For finite-scalar codebooks a table is, in training, the sum of one
    vector per digit plus a free one that starts at zero: similar codes begin as neighbours. `follow` does so for
    learned entries. `fold` makes it plain.
    """

    digits: nn.Parameter | None
    maps: nn.Parameter | None
    places: Tensor
    entries: Tensor

    def __init__(self, design: Design, scale: float) -> None:
        super().__init__()
        size = (design.count, design.vocabulary, design.dim)
        self.weight = nn.Parameter(torch.randn(size) * scale)
        self.digits = self.maps = None
        self.scale = scale
        if design.digits:
            places, total = _places(design)
            self.register_buffer("places", places, persistent=False)
            self.digits = nn.Parameter(torch.randn(total, design.dim) * (scale * places.shape[-1] ** -0.5))
            with torch.no_grad():
                for q, codes in enumerate(design.codebooks):
                    self.weight[q, :codes] = 0

    def forward(self) -> Tensor:
        """(codebooks, vocabulary, dim)."""
        if self.maps is not None:
            return self.weight + F.pad(
                self.entries @ self.maps, (0, 0, 0, self.weight.shape[1] - self.entries.shape[1])
            )
        if self.digits is None:
            return self.weight
        digits = F.pad(self.digits, (0, 0, 0, 1))
        return self.weight + F.embedding(self.places, digits).sum(dim=-2)

    @torch.no_grad()
    def follow(self, entries: Tensor) -> None:
        """From here on a table is a linear map of the codec's `entries` (codebooks, entries, k), plus a free one."""
        count, size, width = entries.shape
        self.register_buffer("entries", entries / entries.std(dim=(1, 2), keepdim=True), persistent=False)
        self.maps = nn.Parameter(torch.randn(count, width, self.weight.shape[-1]) * (self.scale * width**-0.5))
        self.weight[:, :size] = 0

    @torch.no_grad()
    def fold(self) -> None:
        """Put the digit vectors, or the mapped entries, into the table; afterwards it is a plain one."""
        self.weight.copy_(self())
        self.digits = self.maps = None


def _places(design: Design) -> tuple[Tensor, int]:
    """Row of the digit table for every digit of every code, (codebooks, vocabulary, digits), and that table's length.

    A row after the last stands for "no digit": padding, end of speech, codebooks with fewer digits. The first digit is
    the fastest, as in FSQ (Mentzer et al. 2023).
    """
    most, total = max(map(len, design.digits)), sum(map(sum, design.digits))
    places = torch.full((design.count, design.vocabulary, most), total)
    first = 0
    for q, levels in enumerate(design.digits):
        rest = torch.arange(design.codebooks[q])
        for at, level in enumerate(levels):
            places[q, : len(rest), at] = first + rest % level
            rest, first = rest // level, first + level
    return places, total


class LiveSpeech(nn.Module):
    """The whole model. Every layer has self-attention over the steps and cross-attention over the memory."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        rope = None if design.spacing is None else Rope()
        shape = Shape(
            design.dim, design.shared_layers, design.heads, design.hidden,
            memory_dim=design.dim, rope=rope, dropout=design.dropout, final_norm=False,
        )  # fmt: skip
        self.encoder = SpeechEncoder(design)
        self.enroll = nn.Linear(design.encoder_dim, design.dim, bias=False)
        self.text = nn.Embedding(design.symbols, design.dim)
        self.text_layers = nn.ModuleList(nn.Conv1d(design.dim, design.dim, 3) for _ in range(design.text_layers))
        self.codes = CodeTables(design, scale=design.count**-0.5)
        self.shared = Transformer(shape)
        self.group_maps = nn.Linear(design.dim, design.groups * design.dim, bias=False) if design.groups > 1 else None
        self.grouped = Transformer(_with_norm(shape, design.group_layers))
        self.heads = CodeTables(design, scale=design.dim**-0.5)
        self.drop = nn.Dropout(design.dropout)
        if self.group_maps is not None:  # every group begins with the shared stream, slightly disturbed
            with torch.no_grad():
                disturbed = torch.randn_like(self.group_maps.weight) * 0.3 * design.dim**-0.5
                self.group_maps.weight.copy_(torch.eye(design.dim).repeat(design.groups, 1) + disturbed)

    def remember(
        self, features: Tensor, symbols: Tensor, mask: Tensor | None = None, told: Tensor | None = None
    ) -> Memory:
        """Enrollment `features` (batch, frames, features), `symbols` (batch, symbols) with 0 for padding, `mask`
        (batch, frames) of the features, and `told` as in `join`: what the decoder looks at.
        """
        return self.join(self.enrollment(features, mask), symbols, told)

    def enrollment(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """(batch, enrolled, dim): depends on the voice alone and can be kept for it."""
        return self.enroll(self.encoder(features, mask))

    def join(self, enrollment: Tensor, symbols: Tensor, told: Tensor | None = None) -> Memory:
        """Enrollment vectors (batch or 1, enrolled, dim), then text embeddings.

        `told` (batch, 2): how many of the symbols are said before, and in how many frames (see `nn.clock`).
        """
        text = self.text(symbols)
        real = symbols != 0
        for layer in self.text_layers:
            padded = F.pad((text * real[..., None]).transpose(1, 2), (1, 1))
            text = text + F.gelu(layer(padded).transpose(1, 2))
        if self.design.spacing is None:
            text = text + sinusoids(torch.arange(symbols.shape[1], device=symbols.device), text.shape[-1])
        enrollment = enrollment.expand(len(symbols), -1, -1)
        mask = torch.cat([real.new_ones(enrollment.shape[:2]), real], dim=1)
        positions = None
        if self.design.spacing is not None:
            where = places(torch.arange(symbols.shape[1], device=symbols.device)[None], self.design.spacing, told)
            positions = F.pad(where, (enrollment.shape[1], 0))
        return Memory(torch.cat([enrollment, text.to(enrollment.dtype)], dim=1), mask, positions)

    def with_textless(self, memory: Memory) -> Memory:
        """The memory of one utterance, and behind it in the batch the same voice without any text."""
        vectors = memory.vectors.expand(2, -1, -1)
        mask = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        mask[1, self.design.enrolled :] = False
        return Memory(vectors, mask if memory.mask is None else mask & memory.mask, memory.positions)

    def without_voice(self, memory: Memory, rows: Tensor) -> Memory:
        """The memory with the enrollment hidden in `rows` (batch,), which must have a text."""
        shape = memory.vectors.shape[:2]
        mask = torch.ones(shape, dtype=torch.bool, device=rows.device) if memory.mask is None else memory.mask.clone()
        mask[:, : self.design.enrolled] &= ~rows[:, None]
        return memory._replace(mask=mask)

    def begin(self, capacity: int, batch: int = 1) -> State:
        """Caches for utterances of at most `capacity` steps."""
        device = self.text.weight.device
        return State(
            Cache(self.shared.shape, batch, capacity, device),
            Cache(self.grouped.shape, batch * self.design.groups, capacity, device),
        )

    def forward(
        self, rows: Tensor, memory: Memory, *, state: State | None = None,
        watch_shared: Watch | None = None, watch_grouped: Watch | None = None, mask_rows: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits (batch, steps, codebooks, vocabulary) of the step after each of `rows` (batch, steps, codebooks),
        which are shifted here: a first row of padding is put in front unless a `state` already holds steps.

        `mask_rows` (batch, steps) hides input rows (a training aid). The watches collect attention over the memory.
        """
        shared = self.read_shared(rows, memory, state, watch_shared, mask_rows)
        return self.read_out(self.run_groups(self.split(shared), memory, state, watch_grouped))

    def read_shared(
        self, rows: Tensor, memory: Memory, state: State | None = None, watch: Watch | None = None,
        mask_rows: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The first part of a forward pass, with its arguments: embeddings and shared layers, (batch, steps, dim)."""
        start = state.shared.position if state else 0
        if start == 0:
            rows = F.pad(rows, (0, 0, 1, 0), value=self.design.pad)
            if mask_rows is not None:
                mask_rows = F.pad(mask_rows, (1, 0))
        x = self._embed(rows, start, mask_rows)
        vectors, mask, where = self._look(memory, first=start == 0)
        cache = state.shared if state else None
        return self.shared(
            x, memory=vectors, memory_mask=mask, memory_positions=where, cache=cache, watch=watch
        )  # fmt: skip

    def split(self, x: Tensor) -> Tensor:
        """The shared stream (batch, steps, dim) to one per group, folded into the batch: (batch * groups, ...)."""
        if self.group_maps is None:
            return x
        streams = self.group_maps(x).unflatten(-1, (self.design.groups, -1))
        return streams.transpose(1, 2).flatten(0, 1)

    def run_groups(self, streams: Tensor, memory: Memory, state: State | None, watch: Watch | None = None) -> Tensor:
        """The last layers, the same weights for every group; (batch * groups, steps, dim)."""
        first = state is None or state.grouped.position == 0
        vectors, mask, where = self._look(memory, first)
        if mask is not None:
            mask = mask.repeat_interleave(self.design.groups, dim=0)
        cache = state.grouped if state else None
        return self.grouped(
            streams, memory=vectors, memory_mask=mask, memory_positions=where, cache=cache, watch=watch
        )  # fmt: skip

    def read_out(self, streams: Tensor) -> Tensor:
        """(batch * groups, steps, dim) to logits (batch, steps, codebooks, vocabulary), each from its group."""
        design = self.design
        groups, each = design.groups, design.count // design.groups
        streams = streams.unflatten(0, (-1, groups)).transpose(0, 1)  # one product for each group, whatever the batch
        tables = self.heads().view(groups, -1, design.dim).to(streams.dtype)
        logits = torch.bmm(streams.flatten(1, 2), tables.transpose(1, 2))
        split = logits.view(groups, *streams.shape[1:3], each, design.vocabulary)
        return split.permute(1, 2, 0, 3, 4).flatten(2, 3)

    def _embed(self, rows: Tensor, start: int, mask_rows: Tensor | None) -> Tensor:
        design = self.design
        offsets = torch.arange(design.count, device=rows.device) * design.vocabulary
        if mask_rows is not None:
            rows = rows.masked_fill(mask_rows[..., None], design.pad)
        x = F.embedding(rows + offsets, self.codes().flatten(0, 1)).sum(dim=2)
        if design.spacing is None:
            steps = torch.arange(start, start + rows.shape[1], device=rows.device)
            x = x + sinusoids(steps, design.dim)
        return self.drop(x)

    def _look(self, memory: Memory, first: bool) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """What the transformer is given to read, nothing once a cache has read it; symbol positions in frames."""
        return (memory.vectors, memory.mask, memory.positions) if first else (None, None, None)

    def fold(self) -> LiveSpeech:
        """Make all tables plain; for checkpoints and for speaking."""
        self.codes.fold()
        self.heads.fold()
        return self


def _with_norm(shape: Shape, layers: int) -> Shape:
    return dataclasses.replace(shape, layers=layers, final_norm=True)


def save(model: LiveSpeech, path: Path, packed: bool = True) -> None:
    """Write the weights with plain tables, packed or with all their bits; the design is in the file's metadata."""
    folded, about = copy.deepcopy(model).fold(), {"design": json.dumps(model.design.to_dict())}
    if packed:
        packing.save(folded.state_dict(), path, packing.of_models, about)
    else:
        weights.save(folded.state_dict(), path, about)


def load(path: Path, device: str = "cpu") -> LiveSpeech:
    """The model that `save` wrote, in evaluation mode. FileNotFoundError and UserError name the file."""
    if not path.is_file():
        raise MissingFile(f"{path}: no LiveSpeech checkpoint; train one with `ttsbench train livespeech`")
    about = weights.header(path)
    if "design" not in about:
        raise UserError(f"{path}: no design in its metadata; it was not written by LiveSpeech's `save`")
    model = LiveSpeech(Design.from_dict(json.loads(about["design"]))).fold()
    weights.fit(model, packing.unpack(weights.read(path)), path, "It was made by another version: train it again")
    return model.to(device).eval()
