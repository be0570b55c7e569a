"""A codec as a system: it speaks nothing and sends recordings there and back, for the task `resynthesis`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.records import Card, CodecFacts, Sample
from ttsbench.systems.codecs import NAMES, Codec, closed_loop, load_codec
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.errors import SpeechError


class System:
    """`codec`: a shipped one ("fsq", "rvq", "flowvae"), or "encodec" or "xcodec2", whose published weights are needed.

    `codebooks`: only the first so many of RVQ's; for "encodec" how many it has (8 is 6 kbit/s). `rounds`: shipped ones
    are encoded in a closed loop of so many steps (`closed_loop`).
    """

    def __init__(self, codec: str = "fsq", codebooks: int | None = None, rounds: int = 0, device: str = "cpu") -> None:
        self.device = device
        self.codec = _load(codec, codebooks, self.device)
        if codebooks is not None and codebooks > self.codec.codebooks:
            raise UserError(f"codec {codec}: has {self.codec.codebooks} codebooks, not {codebooks}")
        if rounds and not isinstance(self.codec, SmallCodec):
            raise UserError(f"codec {codec}: closed loops are for {', '.join(NAMES)}")
        self.codebooks, self.rounds = codebooks or self.codec.codebooks, rounds
        bits = self.codec.bits_per_second
        facts = CodecFacts(
            self.codec.frame_rate,
            self.codebooks,
            self.codec.codebook_size,
            None if bits is None else bits * self.codebooks / self.codec.codebooks,
        )
        about = "a codec: recordings there and back, no speech of its own"
        self.card = Card(f"codec-{codec}", "1", self.codec.sample_rate, zero_shot=False, about=about, codec=facts)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        raise SpeechError("a codec does not speak; give a test set with task=resynthesis")

    @torch.inference_mode()
    def resynthesize(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """`samples` (n,) at `sample_rate` after the codec, at its rate and of the same length."""
        given = audio.resample(samples.astype(np.float32), sample_rate, self.codec.sample_rate)
        heard = torch.from_numpy(given)[None].to(self.device)
        if self.rounds and isinstance(self.codec, SmallCodec):
            codes = closed_loop.encode(self.codec, heard, self.rounds)
        else:
            codes = self.codec.encode(heard)
        if self.codec.levels:
            codes = codes[..., : self.codebooks]
        made = self.codec.decode(codes)[0].float().cpu().numpy()
        return np.pad(made, (0, max(0, len(given) - len(made))))[: len(given)]


def _load(name: str, codebooks: int | None, device: str) -> Codec:
    if name in NAMES:
        return load_codec(name, device=device)
    if name == "encodec":
        from ttsbench.systems.codecs.encodec import EnCodec

        return cast(Codec, EnCodec.published(codebooks or 8).to(device))
    if name == "xcodec2":
        from ttsbench.systems.codecs.xcodec2 import XCodec2

        return cast(Codec, XCodec2.published().to(device))
    raise UserError(f"no codec {name!r}; there are {', '.join((*NAMES, 'encodec', 'xcodec2'))}")
