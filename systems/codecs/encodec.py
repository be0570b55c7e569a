"""EnCodec at 24 kHz (Defossez et al. 2022), as LiveSpeech and MobileSpeech use it; the model is transformers' own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ttsbench.systems import weights

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
            raise ValueError(f"EnCodec at 24 kHz has {offered} codebooks, not {codebooks}")
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

    def decode_stream(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Codes (1, some frames, codebooks) as they come to audio; the same samples as `decode` of everything.

        The decoder is causal but for an LSTM that reads from the start, so all codes so far are decoded each time;
        its first convolution mirrors the first frames, so nothing is final before `FIRST_FRAMES` are there.
        """
        held: Tensor | None = None
        done = 0
        for piece in pieces:
            held = piece if held is None else torch.cat([held, piece], dim=1)
            if held.shape[1] >= FIRST_FRAMES and held.shape[1] > done:
                yield self.decode(held)[:, done * self.hop :]
                done = held.shape[1]
        if held is not None and held.shape[1] > done:
            yield self.decode(held)[:, done * self.hop :]

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Load the published model.safetensors; every name and shape must match."""
        self.model.load_state_dict(tensors, strict=True)

    @classmethod
    def published(cls, codebooks: int = 8, download: bool = False) -> EnCodec:
        """The model with its published weights; raises `weights.MissingWeights` where they are not on this machine."""
        tensors = weights.read(weights.find(weights.ENCODEC, download))
        model = cls(codebooks)
        model.load(tensors)
        return model.eval()
