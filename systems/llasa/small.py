"""Small Llasa: one decoder-only language model over phones and one stream of FSQ frames.

As in the paper: the text, then the prompt's speech, then the speech to come, one causal transformer, next-token
cross-entropy, an end token; no speaker module, no durations, no second stage. What is different at this size: phones
stand for text tokens, and a frame's code is drawn digit by digit by a small head, since a softmax over every value of
the codebook would outweigh the model. Frames and phones share one rotary clock: a prompt's phones are spread over its
frames, those of the text begin where it ends, at the corpus' mean pace.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems import packing
from ttsbench.systems.llasa.decoding import Sampling, draw
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer, Watch

GUIDED = ((2, 0), (3, 0))  # heads told where the previous and the current frame is in the text, in training only


@dataclass(frozen=True)
class Size:
    """The small preset; `levels` are the FSQ codec's, `pace` its corpus' mean number of frames a phone."""

    levels: tuple[int, ...]
    dim: int = 256
    layers: int = 6
    heads: int = 4
    hidden: int = 1024
    digits: int = 160  # width of the head
    phones: int = 41
    pace: float = 4.6

    @property
    def shape(self) -> Shape:
        return Shape(self.dim, self.layers, self.heads, self.hidden, rope=Rope(), activation="relu")


class PhoneEncoder(nn.Module):
    """Phones (batch, phones) to embeddings that know their neighbours, (batch, phones, dim)."""

    def __init__(self, phones: int, dim: int, layers: int = 3) -> None:
        super().__init__()
        self.table = nn.Embedding(phones, dim, padding_idx=0)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding=2) for _ in range(layers))

    def forward(self, phones: Tensor) -> Tensor:
        here = (phones > 0)[..., None]
        x = self.table(phones)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = x + F.relu(conv((norm(x) * here).transpose(1, 2)).transpose(1, 2))
        return x * here


class DigitHead(nn.Module):
    """A frame's FSQ code in a few draws, each knowing those before it; the first digit has one more value, the end.

    One draw is a digit, or neighbouring digits of together at most 64 values, which are drawn side by side.
    """

    def __init__(self, dim: int, levels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.levels, self.groups = levels, grouped(levels)
        self.most, self.wide = max(max(levels), levels[0] + 1), max(len(group) for group in self.groups)
        draws = len(self.groups)
        self.enter = nn.Linear(dim, width)
        self.place = nn.Parameter(torch.randn(draws, width) * 0.1)
        self.before = nn.Embedding(sum(levels), width)
        nn.init.normal_(self.before.weight, std=0.1)
        self.middle = nn.Linear(width, width)
        self.leave = nn.Parameter(torch.randn(draws, width, self.wide * self.most) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(levels), self.most))
        never = torch.arange(self.most)[None] >= torch.tensor([levels[0] + 1, *levels[1:]])[:, None]
        self.register_buffer("never", torch.zeros(never.shape).masked_fill(never, -1e4), persistent=False)
        self.register_buffer("first", first_rows(levels), persistent=False)
        slots = [at * self.wide + place for at, group in enumerate(self.groups) for place in range(len(group))]
        self.register_buffer("slots", torch.tensor(slots), persistent=False)
        known = torch.tensor([[float(digit < group[0]) for digit in range(len(levels))] for group in self.groups])
        self.register_buffer("known", known, persistent=False)
        self.never: Tensor
        self.first: Tensor
        self.slots: Tensor
        self.known: Tensor

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """hidden (batch, time, dim), true codes (batch, time, digits) to logits (batch, time, digits, values)."""
        known = self.known.to(hidden.dtype) @ self.before(codes + self.first).to(hidden.dtype)
        x = F.relu(self.enter(hidden)[:, :, None] + self.place.to(hidden.dtype) + known)
        x = x + F.relu(self.middle(x))
        logits = torch.einsum("btgw,gwv->btgv", x, self.leave.to(x.dtype)).float()
        return logits.unflatten(-1, (self.wide, self.most)).flatten(2, 3)[:, :, self.slots] + self.bias + self.never

    @torch.no_grad()
    def sample(self, hidden: Tensor, how: Sampling, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """hidden (rows, dim) to codes (rows, digits) and whether the end was drawn instead, (rows,)."""
        entered, digits, rows = self.enter(hidden), [], len(hidden)
        # The likeliest of logits with Gumbel noise is a draw from their softmax: one call makes the noise of all digits
        plain = how.whole
        bias = (self.bias + self.never).expand(rows, -1, -1)
        if plain and how.temperature > 0:
            noise = torch.empty_like(bias, memory_format=torch.contiguous_format).exponential_(generator=generator)
            bias = bias - how.temperature * noise.log_()
        over = torch.zeros(rows, dtype=torch.bool, device=hidden.device)
        for at, group in enumerate(self.groups):
            first, count = group[0], len(group)
            x = (entered + self.place[at]).relu_()
            x += self.middle(x).relu_()
            here = bias[:, first : first + count].flatten(1)
            logits = torch.addmm(here, x, self.leave[at][:, : count * self.most]).view(rows, count, self.most)
            if plain:
                values = logits.argmax(dim=-1)
            else:
                values = draw(logits.flatten(0, 1), how, generator).view(rows, count)
            if at == 0:
                over = values[:, 0] >= self.levels[0]
                values = values.clamp_max(self.levels[0] - 1)
            digits.append(values)
            if at + 1 < len(self.groups):
                entered = entered + self.before(values + self.first[first : first + count]).sum(dim=1)
        return torch.cat(digits, dim=1), over


def grouped(levels: tuple[int, ...], values: int = 64) -> list[list[int]]:
    """Neighbouring digits that are drawn together: as many as have at most `values` values together."""
    groups: list[list[int]] = [[0]]  # the first one, which may say the end, stands alone
    size = values + 1
    for digit, level in enumerate(levels[1:], 1):
        size *= level
        if size > values:
            groups.append([])
            size = level
        groups[-1].append(digit)
    return groups


def first_rows(levels: tuple[int, ...]) -> Tensor:
    """Where each digit's values begin in a table of all digits' values, (digits,)."""
    return torch.tensor([0, *levels[:-1]]).cumsum(dim=0)


@dataclass(frozen=True)
class Texts:
    """What is to be spoken: phones (batch, phones), 0 is padding, and where each stands on the frames' clock."""

    phones: Tensor
    positions: Tensor


class SmallLlasa(nn.Module):
    """The language model. Frames are FSQ codes (batch, time, digits), each in [0, level)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.text = PhoneEncoder(size.phones, size.dim)
        self.codes = nn.EmbeddingBag(sum(size.levels), size.dim, mode="sum")
        nn.init.normal_(self.codes.weight, std=len(size.levels) ** -0.5)
        self.register_buffer("first", first_rows(size.levels), persistent=False)
        self.first: Tensor
        self.start = nn.Parameter(torch.randn(size.dim))
        self.hole = nn.Parameter(torch.randn(size.dim))
        self.transformer = Transformer(size.shape)
        self.head = DigitHead(size.dim, size.levels, size.digits)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes (..., digits) to (..., dim)."""
        return self.codes((codes + self.first).flatten(0, -2)).view(*codes.shape[:-1], self.size.dim)

    def forward(self, texts: Texts, codes: Tensor, holes: Tensor | None = None, watch: Watch | None = None) -> Tensor:
        """What frames 0 .. time are predicted from, (batch, time + 1, dim); the last one predicts the end.

        `holes` (batch, time) is True where a past frame is hidden from the model, in training. The weights that
        `watch` collects are cut to (batch, time + 1, phones).
        """
        said = self.embed(codes)
        if holes is not None:
            said = torch.where(holes[..., None], self.hole.to(said.dtype), said)
        start = self.start.to(said.dtype).expand(len(codes), 1, -1)
        count = texts.phones.shape[1]
        x = torch.cat([self.text(texts.phones).to(said.dtype), start, said], dim=1)
        if torch.is_autocast_enabled(x.device.type):  # a residual stream in bf16 halves what a CPU has to move
            x = x.to(torch.get_autocast_dtype(x.device.type))
        clock = torch.arange(codes.shape[1] + 1, device=codes.device).expand(len(codes), -1)
        mask = torch.cat([texts.phones > 0, torch.ones_like(clock, dtype=torch.bool)], dim=1)
        x = self.transformer(x, mask=mask, positions=torch.cat([texts.positions, clock], dim=1), watch=watch)
        if watch is not None:
            watch.weights = {head: weights[:, count:, :count] for head, weights in watch.weights.items()}
        return x[:, count:]

    @torch.no_grad()
    def begin(self, texts: Texts, codes: Tensor) -> tuple[Cache, Tensor]:
        """Read one text (1, phones) and the prompt's codes (1, time, digits): the cache, and (1, dim)."""
        count, time = texts.phones.shape[1], codes.shape[1]
        cache = Cache(self.size.shape, 1, count + 1 + time, codes.device, self.start.dtype)
        x = torch.cat([self.text(texts.phones), self.start.expand(1, 1, -1), self.embed(codes)], dim=1)
        clock = torch.arange(time + 1, device=codes.device)[None]
        x = self.transformer(x, positions=torch.cat([texts.positions, clock], dim=1), cache=cache)
        return cache, x[:, -1]

    @torch.no_grad()
    def read(self, codes: Tensor, cache: Cache, at: int) -> Tensor:
        """Read one frame a row, (rows, digits), as the frame number `at` (from 1); (rows, dim)."""
        clock = torch.full((1,), at, device=codes.device)
        return self.transformer(self.embed(codes)[:, None], positions=clock, cache=cache)[:, 0]


def places(counts: list[int], starts: list[int], paces: list[float]) -> Tensor:
    """Where phones stand on the frames' clock, (sum of counts,): `counts` of them from `starts` on, `paces` apart."""
    parts = [
        start + (torch.arange(count) + 0.5) * pace for count, start, pace in zip(counts, starts, paces, strict=True)
    ]
    return torch.cat(parts)


def save(model: SmallLlasa, path: Path) -> None:
    """Write packed weights and sizes as one safetensors file, whole or not at all."""
    packing.save(model.state_dict(), path, packing.of_models, {"size": json.dumps(asdict(model.size))}, bits=6)


def load(path: Path, device: str = "cpu") -> SmallLlasa:
    """A model that `save` wrote, in float32. FileNotFoundError and ValueError name the file."""
    from safetensors import safe_open

    if not path.is_file():
        raise MissingFile(f"{path}: no such checkpoint; set TTSBENCH_CHECKPOINTS to the folder that holds it")
    with safe_open(path, framework="pt", device=device) as handle:
        table = json.loads((handle.metadata() or {}).get("size", "{}"))
        weights = packing.unpack({name: handle.get_tensor(name) for name in handle.keys()})  # noqa: SIM118
    try:
        model = SmallLlasa(Size(**{**table, "levels": tuple(table["levels"])})).to(device)
        model.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as fault:
        raise UserError(f"{path}: does not fit this version's model: {str(fault)[:400]}") from fault
    return model.eval().requires_grad_(False)
