"""From log-mels to a waveform: ConvNeXt and an inverse short-time Fourier transform, as in Vocos."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttsbench.systems.nn.convnext import ConvNeXt
from ttsbench.systems.nn.mel import HOP, N_MELS, WINDOW
from ttsbench.systems.nn.vocoder.istft import ISTFTHead, OpenSums


@dataclass
class VocoderState:
    """What a streaming vocoder remembers between chunks."""

    frames: list[Tensor | None] | None = None
    tail: OpenSums | None = None


class Vocoder(nn.Module):
    """Log-mels (batch, time, 100) of `systems.nn.mel` to 16 kHz audio (batch, time * 160). Look-ahead: 40 ms +
    overlap.
    """

    def __init__(self, dim: int = 320, hidden: int = 960, blocks: int = 8) -> None:
        super().__init__()
        self.stack = ConvNeXt(N_MELS, dim, hidden, ahead=(2, 1, 1, *([0] * (blocks - 2))))
        self.head = ISTFTHead(dim, WINDOW, HOP)

    def forward(self, mel: Tensor) -> Tensor:
        return self.head(self.stack(mel))

    @torch.inference_mode()
    def step(self, mel: Tensor, state: VocoderState, last: bool) -> Tensor:
        """The next mel frames (batch, t, 100), t may be 0, to the samples that are ready; changes `state`."""
        hidden, state.frames = self.stack.step(mel, state.frames, last)
        audio, state.tail = self.head.step(hidden, state.tail, last)
        return audio
