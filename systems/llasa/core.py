"""The Llama that Llasa is (paper section 3.1; sizes from the released configurations), on the shared transformer.

model = load(folder, dtype=torch.bfloat16)     # config.json and *.safetensors, as published
logits = model(tokens)                         # (batch, time) to (batch, time, vocabulary)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import MissingFile, UserError
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.step import Product, identity, packable
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer
from ttsbench.systems.weights import misfits

TEXT = 128_256  # what Llama 3 knows, special tokens included
MARKERS = (
    "<|TEXT_GENERATION_START|>", "<|TEXT_GENERATION_END|>",
    "<|TEXT_UNDERSTANDING_START|>", "<|TEXT_UNDERSTANDING_END|>",
    "<|SPEECH_GENERATION_START|>", "<|SPEECH_GENERATION_END|>",
    "<|SPEECH_UNDERSTANDING_START|>", "<|SPEECH_UNDERSTANDING_END|>",
)  # fmt: skip
CODES = 65_536
SPEECH = TEXT + len(MARKERS)  # the token of speech code 0
VOCABULARY = SPEECH + CODES


def _shape(dim: int, layers: int, heads: int, hidden: int, factor: float) -> Shape:
    rope = Rope(theta=500_000.0, factor=factor, low=1.0, high=4.0, trained=8192)
    return Shape(dim, layers, heads, hidden, kv_heads=8, rope=rope, norm="rms", gated=True, activation="silu")


@dataclass(frozen=True)
class Config:
    """A Llama with its vocabulary; `tied`: the output matrix is the embedding."""

    shape: Shape
    vocabulary: int = VOCABULARY
    tied: bool = True


SIZES = {
    "1b": Config(_shape(2048, 16, 32, 8192, 32.0)),  # Llama-3.2-1B-Instruct
    "3b": Config(_shape(3072, 28, 24, 8192, 32.0)),  # Llama-3.2-3B-Instruct
    "8b": Config(_shape(4096, 32, 32, 14336, 8.0), tied=False),  # Llama-3.1-8B-Instruct
}


class Llama(nn.Module):
    """Token embedding, transformer, output matrix. State-dict names are those of the published checkpoints."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Transformer(config.shape)
        self.model.embed_tokens = nn.Embedding(config.vocabulary, config.shape.dim)
        if not config.tied:
            self.lm_head = nn.Linear(config.shape.dim, config.vocabulary, bias=False)
        self._out: tuple[tuple[int, int], Product] | None = None

    def read(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Tokens (batch, time) to what the next ones are predicted from, (batch, time, dim)."""
        return self.model(F.embedding(tokens, self.embedding), cache=cache)

    def head(self, hidden: Tensor, first: int = 0) -> Tensor:
        """(..., dim) to logits (..., vocabulary - first) of the tokens from `first` on.

        A caller that draws speech alone need not read the rows of 128 256 text tokens: `first=TEXT`.
        """
        weight = (self.embedding if self.config.tied else self.lm_head.weight)[first:]
        if hidden.dim() > 2 or torch.is_grad_enabled() or not packable(weight):
            return F.linear(hidden, weight)
        if self._out is None or self._out[0] != identity(weight):
            self._out = identity(weight), Product(weight)
        return self._out[1](hidden)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_out": None}  # its layout cannot be copied

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Tokens (batch, time) to logits (batch, time, vocabulary)."""
        return self.head(self.read(tokens, cache))

    @property
    def embedding(self) -> Tensor:
        """(vocabulary, dim)."""
        return self.model.get_parameter("embed_tokens.weight")


def count(config: Config) -> int:
    """Number of parameters, without allocating any."""
    with torch.device("meta"):
        return sum(p.numel() for p in Llama(config).parameters())


# --- published files ----------------------------------------------------------------------------------------------


def config_of(published: dict[str, Any]) -> Config:
    """The Config that a published config.json says. Raises ValueError for what this core does not do."""
    for key, ours in (("hidden_act", "silu"), ("attention_bias", False), ("mlp_bias", False)):
        if published.get(key, ours) != ours:
            raise UserError(f"config.json: {key} is {published[key]!r}, this Llama does only {ours!r}")
    dim, heads = published["hidden_size"], published["num_attention_heads"]
    if published.get("head_dim", dim // heads) != dim // heads:
        raise UserError(f"config.json: head_dim is {published['head_dim']}, this Llama does only {dim // heads}")
    shape = Shape(
        dim,
        published["num_hidden_layers"],
        heads,
        published["intermediate_size"],
        kv_heads=published["num_key_value_heads"],
        rope=_rope(published),
        norm="rms",
        gated=True,
        activation="silu",
        eps=published["rms_norm_eps"],
    )
    return Config(shape, published["vocab_size"], published.get("tie_word_embeddings", False))


def _rope(published: dict[str, Any]) -> Rope:
    """Rotary settings; newer transformers write `rope_parameters`, older ones `rope_theta` and `rope_scaling`."""
    scaling = published.get("rope_parameters") or published.get("rope_scaling") or {}
    theta = scaling.get("rope_theta") or published.get("rope_theta", 10_000.0)
    kind = scaling.get("rope_type", "default")
    if kind == "default":
        return Rope(theta)
    if kind != "llama3":
        raise UserError(f"config.json: rope_type is {kind!r}, this Llama does only 'default' and 'llama3'")
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    return Rope(theta, scaling["factor"], low, high, scaling["original_max_position_embeddings"])


def load(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32, size: str = "") -> Llama:
    """The Llama of a published folder: config.json, and model.safetensors or its shards with an index.

    Raises UserError naming the file, and tensors that are missing, left over or misshapen; also where the folder holds
    another model than the published one of `size` (a key of SIZES).
    """
    config = config_of(json.loads(_file(folder, "config.json").read_text()))
    shapes = shapes_of(config)
    if size:
        _refuse_others(folder, shapes, size)
    weights = _weights(folder, device, dtype, set(shapes))
    if config.tied:
        weights.pop("lm_head.weight", None)  # some copies store the shared matrix twice
    faults = misfits(shapes, {name: tuple(value.shape) for name, value in weights.items()})
    if faults:
        raise UserError(
            f"{folder}: the tensors are not those that config.json describes: {'; '.join(faults[:3])}. Get config.json "
            "and *.safetensors from one repository"
        )
    with torch.device("meta"):
        model = Llama(config)
    model.load_state_dict(weights, assign=True)
    return model.eval().requires_grad_(False)


def shapes_of(config: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights, without allocating any."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in Llama(config).state_dict().items()}


def _refuse_others(folder: Path, shapes: dict[str, tuple[int, ...]], size: str) -> None:
    """UserError where the shapes are not those of the published `size`; whether the output matrix is tied is free."""
    free = {"lm_head.weight"}
    mine = {name: shape for name, shape in shapes.items() if name not in free}
    known = {key: {n: s for n, s in shapes_of(config).items() if n not in free} for key, config in SIZES.items()}
    faults = misfits(known[size], mine)
    if not faults:
        return
    other = next((key for key, theirs in known.items() if theirs == mine), "")
    what = f"the folder holds Llasa-{other.upper()}" if other else "no published Llasa has these shapes"
    raise UserError(
        f"{folder / 'config.json'}: not Llasa-{size.upper()}: {'; '.join(faults[:3])}; {what}. Set "
        f"LLASA_{size.upper()}_DIR to a folder with HKUSTAudio/Llasa-{size.upper()} (ttsbench fetch llasa-{size})"
        + (
            f", or name the system Llasa{other.upper()}"
            if other
            else ", or name the system Paper, which takes any size"
        )
    )


def _weights(folder: Path, device: str, dtype: torch.dtype, expected: set[str]) -> dict[str, Tensor]:
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    found: dict[str, Tensor] = {}
    for name in names:
        with safe_open(_file(folder, name), framework="pt", device=device) as handle:
            for key in handle.keys():  # noqa: SIM118 (not a dict)
                found[key] = handle.get_tensor(key).to(dtype if key in expected else torch.float32)
    return found


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if path.name != name or not path.is_file():
        raise MissingFile(f"{path}: no such file; a Llasa folder holds config.json, tokenizer.json, *.safetensors")
    return path
