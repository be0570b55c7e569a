"""The network of UTMOS22 strong; see utmos22.py."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNELS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))  # kernel and stride of the feature extractor


class Features(nn.Module):
    """Seven convolutions from samples to frames of 20 ms; group norm over time after the first."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for index, (kernel, stride) in enumerate(KERNELS):
            layers: list[nn.Module] = [nn.Conv1d(width if index else 1, width, kernel, stride, bias=False)]
            layers += [nn.Identity(), nn.GELU()] if index else [nn.Identity(), nn.GroupNorm(width, width), nn.GELU()]
            self.conv_layers.append(nn.Sequential(*layers))

    def forward(self, wave: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width)."""
        x = wave[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with separate projections."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same shape."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Transformer layer, layer norm after each part."""

    def __init__(self, width: int = 768, inner: int = 3072, heads: int = 12) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same shape."""
        x = self.self_attn_layer_norm(x + self.self_attn(x))
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))


class Encoder(nn.Module):
    """Positional convolution, then twelve layers."""

    def __init__(self, width: int = 768, layers: int = 12) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(nn.Conv1d(width, width, 128, padding=64, groups=16))
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same shape."""
        place = F.gelu(self.pos_conv(x.transpose(1, 2))[:, :, :-1]).transpose(1, 2)
        x = self.layer_norm(x + place)
        for layer in self.layers:
            x = layer(x)
        return x


class Wav2Vec2(nn.Module):
    """wav2vec 2.0 base."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.feature_extractor = Features()
        self.layer_norm = nn.LayerNorm(512)
        self.post_extract_proj = nn.Linear(512, 768)
        self.encoder = Encoder(layers=layers)

    def forward(self, wave: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, 768)."""
        return self.encoder(self.post_extract_proj(self.layer_norm(self.feature_extractor(wave))))


class Utmos22(nn.Module):
    """Waveforms at 16 kHz to predicted MOS."""

    def __init__(self, layers: int = 12) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2(layers)
        self.domain_emb = nn.Parameter(torch.zeros(1, 128))
        self.judge_emb = nn.Parameter(torch.zeros(1, 128))
        self.blstm = nn.LSTM(768 + 128 + 128, 512, batch_first=True, bidirectional=True)
        self.projection = nn.Sequential(nn.Linear(1024, 2048), nn.ReLU(), nn.Linear(2048, 1))

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the published checkpoint: its weight norm over the positional convolution is worked out here."""
        state = {name: value for name, value in state.items() if name != "wav2vec2.mask_emb"}
        place = "wav2vec2.encoder.pos_conv.0."
        if f"{place}weight_g" in state:
            size, shape = state.pop(f"{place}weight_g"), state.pop(f"{place}weight_v")
            state[f"{place}weight"] = size * shape / shape.norm(dim=(0, 1), keepdim=True)
        self.load_state_dict(state)

    def forward(self, wave: Tensor) -> Tensor:
        """(batch, samples), all of one length, to (batch,)."""
        units = self.wav2vec2(wave)
        fixed = torch.cat([self.domain_emb, self.judge_emb], dim=1)[:, None].expand(*units.shape[:2], -1)
        frames = self.projection(self.blstm(torch.cat([units, fixed], dim=2))[0])
        return frames.mean(dim=(1, 2)) * 2 + 3
