"""The network of the masked prosody model, up to a hidden layer; its parameters have the published names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn


class Layer(nn.Module):
    """Attention, then two convolutions in place of the linear ones; each added to its input and normalised."""

    def __init__(self, width: int, heads: int, kernel: int, inner: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.conv1 = nn.Conv1d(width, inner, kernel, padding=(kernel - 1) // 2)
        self.conv2 = nn.Conv1d(inner, width, 1)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(x, x, x, need_weights=False)[0])
        return self.norm2(x + self.conv2(self.conv1(x.transpose(1, 2)).relu()).transpose(1, 2))


class MaskedProsody(nn.Module):
    """Steps of pitch, energy and voicing (batch, 3, frames) to the frames (batch, frames, width) of one layer."""

    def __init__(self, bins: int, width: int, heads: int, layers: int, kernel: int, inner: int, longest: int) -> None:
        super().__init__()
        self.bins = bins
        self.pitch_embedding, self.energy_embedding = (nn.Embedding(bins + 2, width) for _ in range(2))
        self.vad_embedding = nn.Embedding(4, width)
        self.positional_encoding = nn.Module()
        self.positional_encoding.register_buffer("pe", Tensor(1, longest, width))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(Layer(width, heads, kernel, inner) for _ in range(layers))

    @classmethod
    def of(cls, state: Mapping[str, Tensor], heads: int) -> MaskedProsody:
        """The model that a published state dictionary is of, with its tensors, ready to run."""
        rows, width = state["pitch_embedding.weight"].shape
        inner, _, kernel = state["transformer.layers.0.conv1.weight"].shape
        layers = len([name for name in state if re.fullmatch(r"transformer\.layers\.\d+\.conv1\.weight", name)])
        model = cls(rows - 2, width, heads, layers, kernel, inner, state["positional_encoding.pe"].shape[1])
        model.load_state_dict({name: value for name, value in state.items() if not name.startswith("output_")})
        return model.eval()

    def forward(self, steps: Tensor, layer: int) -> Tensor:
        embeddings = self.pitch_embedding, self.energy_embedding, self.vad_embedding
        places = cast(Tensor, self.positional_encoding.pe)[:, : steps.shape[2]]
        x = sum((embed(row) for embed, row in zip(embeddings, steps.unbind(1), strict=True)), start=places)
        for each in cast(nn.ModuleList, self.transformer.layers)[: layer + 1]:
            x = each(x)
        return x
