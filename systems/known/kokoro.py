"""Kokoro-82M: through hexgrad's package `kokoro`, or as int8 ONNX from packages that hold the weights (Apache-2.0).

Sources: https://github.com/hexgrad/kokoro; for the ONNX files `ttsbench.systems.corpus.kokoro`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.corpus.kokoro import Kokoro

VARIABLE = "KOKORO_VOICES"
VOICES = {"en": "af_heart", "zh": "zf_xiaoxiao"}
CODES = {"a": "en", "b": "en", "z": "zh"}  # first letter of a voice: the language that it speaks


class System:
    """hexgrad's pipeline: weights and voices come from the hub the first time. Sentence by sentence, no seed."""

    card = Card("kokoro", sample_rate=24000, languages=("en", "zh"), streaming=True, zero_shot=False)

    def __init__(self, voices: dict[str, str] | None = None, device: str = "cpu") -> None:
        self.voices = voices or VOICES
        self.device = device
        self.pipelines: dict[str, Any] = {}

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield a chunk for each piece that the pipeline makes of the text."""
        voice = self.voices[sample.language]
        if voice[0] not in self.pipelines:
            from kokoro import KPipeline

            self.pipelines[voice[0]] = KPipeline(lang_code=voice[0], device=self.device)
        for _, _, sound in self.pipelines[voice[0]](sample.text, voice=voice):
            yield np.asarray(sound, dtype=np.float32)


class Int8:
    """The int8 ONNX file of four packages, with npm's voices (kokoro-js) in the folder that KOKORO_VOICES names."""

    card = Card("kokoro-int8", sample_rate=24000, languages=("en", "zh"), zero_shot=False)

    def __init__(self, voices: dict[str, str] | None = None, threads: int = 0) -> None:
        folder = Path(os.environ.get(VARIABLE, ""))
        if not any(folder.glob("*.bin")):
            raise UserError(f"{VARIABLE}={folder}: no voices (*.bin) there; it is package/voices of kokoro-js 1.2.1")
        self.voices = voices or VOICES
        self.model = Kokoro(folder, threads or os.cpu_count() or 1)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield a chunk for each piece of whole sentences that the model takes at once: nearly always one."""
        yield from self.model.chunks(sample.text, self.voices[sample.language], sample.language)
