"""EnCodec at 24 kHz (Defossez et al. 2022), as LiveSpeech and MobileSpeech use it; the model is transformers' own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems import weights
from ttsbench.systems.codecs.stateful import Memory

CODEBOOK_BITS = 10
FRAME_RATE = 75
FIRST_FRAMES = 8


class EnCodec(nn.Module):
    """Residual codes (batch, frames, codebooks), 75 frames a second, 1024 entries a level (`systems.codecs.Codec`).

    `codebooks` 8 is 6 kbit/s (MobileSpeech), 16 is 12 kbit/s (LiveSpeech); 2, 4 and 32 exist too.
    """

    name, sample_rate, hop = "encodec", 24000, 24000 // FRAME_RATE
    frame_rate, codebook_size = float(FRAME_RATE), 1 << CODEBOOK_BITS

    def __init__(self, codebooks: int = 8) -> None:
        super().__init__()
        try:
            from transformers import EncodecConfig, EncodecModel
        except ImportError as fault:
            raise ImportError("EnCodec needs transformers: pip install 'ttsbench[paper]'") from fault
        config = EncodecConfig()
        offered = [round(rate * 1000 / FRAME_RATE / CODEBOOK_BITS) for rate in config.target_bandwidths]
        if codebooks not in offered:
            raise UserError(f"EnCodec at 24 kHz has {offered} codebooks, not {codebooks}")
        self.codebooks, self.levels = codebooks, (self.codebook_size,) * codebooks
        self.bandwidth = config.target_bandwidths[offered.index(codebooks)]
        self.bits_per_second = self.frame_rate * codebooks * CODEBOOK_BITS
        self.model = EncodecModel(config).eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """(batch, samples) at 24 kHz in [-1, 1] to codes (batch, frames, codebooks)."""
        return self.model.encode(audio[:, None], bandwidth=self.bandwidth).audio_codes[0].transpose(1, 2)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, frames, at most `codebooks`) to (batch, frames * 320)."""
        return self.model.decode(codes.transpose(1, 2)[None], [None]).audio_values[:, 0]

    @torch.no_grad()
    def vectors(self, codes: Tensor) -> Tensor:
        """The sum of a frame's dequantised vectors: codes (batch, frames, codebooks) to (batch, frames, 128)."""
        return self.model.quantizer.decode(codes.permute(2, 0, 1)).transpose(1, 2)

    @torch.no_grad()
    def decode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Codes (1, some frames, codebooks) as they come to audio; the same samples as `decode` of everything.

        The decoder is causal and no frame is decoded twice: convolutions and LSTM keep their states. The first
        convolution mirrors the first frames, so nothing is final before `FIRST_FRAMES` are there.
        """
        memory, held = Memory(), None
        for piece in pieces:
            held = piece if held is None else torch.cat([held, piece], dim=1)
            if held.shape[1] >= (1 if memory.kept else FIRST_FRAMES):
                yield self._step(held, memory)
                held = held[:, :0]
        if held is not None and held.shape[1]:
            yield self.decode(held)  # all there is, and shorter than the first convolution's mirror

    def _step(self, codes: Tensor, memory: Memory) -> Tensor:
        """The next codes (1, frames, codebooks) to (1, frames * 320)."""
        x = self.model.quantizer.decode(codes.permute(2, 0, 1))
        for layer in self.model.decoder.layers:
            x = _apply(layer, x, memory)
        return x[:, 0]

    def load(self, tensors: dict[str, Tensor], where: Path | str = "EnCodec") -> None:
        """Load the published model.safetensors; every name and shape must match, or UserError names what differs."""
        weights.fit(self.model, tensors, where, "Get it again: ttsbench fetch encodec-24khz")

    @classmethod
    def published(cls, codebooks: int = 8, download: bool = False) -> EnCodec:
        """The model with its published weights; raises `weights.MissingWeights` where they are not on this machine."""
        path = weights.find(weights.ENCODEC, download)
        model = cls(codebooks)
        model.load(weights.read(path), path)
        return model.eval()


def _apply(layer: Any, x: Tensor, memory: Memory) -> Tensor:
    """One layer of transformers' decoder on the next samples (batch, channels, time), recognised by its class."""
    kind = type(layer).__name__
    if kind == "EncodecResnetBlock":
        y = x
        for part in layer.block:
            y = _apply(part, y, memory)
        return _apply(layer.shortcut, x, memory) + y
    if kind == "EncodecConv1d":
        total = int(layer.padding_total)
        begin = F.pad(x, (total, 0), mode="reflect")[..., :total] if total and layer not in memory.kept else x[..., :0]
        return memory.convolve(layer, layer.conv, x, begin)
    if kind == "EncodecConvTranspose1d":
        return memory.upsample(layer.conv, x)
    if kind == "EncodecLSTM":
        state = (memory.kept[layer, "h"], memory.kept[layer, "c"]) if (layer, "h") in memory.kept else None
        flat = x.permute(2, 0, 1)
        y, (memory.kept[layer, "h"], memory.kept[layer, "c"]) = layer.lstm(flat, state)
        return (y + flat).permute(1, 2, 0)
    return layer(x)  # element by element: ELU, or no shortcut
