"""XTTS v2 through coqui-tts: GPT over audio codes, streamed. Source: https://github.com/idiap/coqui-ai-TTS, docs.

The code is MPL-2.0; the weights are under the Coqui Public Model License, for non-commercial use only. The package asks
for it: COQUI_TOS_AGREED=1 says that you agree.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.records import Card, Sample
from ttsbench.systems.errors import SpeechError

MODEL = "tts_models/multilingual/multi-dataset/xtts_v2"
NAMES = {"zh": "zh-cn"}


class System:
    """Zero-shot, from the sound of the prompt alone."""

    card = Card("xtts", sample_rate=24000, languages=("en", "zh"), streaming=True)

    def __init__(self, device: str = "cpu") -> None:
        from TTS.api import TTS

        self.model: Any = TTS(MODEL).to(device).synthesizer.tts_model
        self.latents = functools.lru_cache(maxsize=64)(self._latents)

    def _latents(self, prompt: Path) -> Any:
        return self.model.get_conditioning_latents(audio_path=[str(prompt)])

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the chunks as they come. Raises SpeechError without a prompt."""
        if sample.prompt is None:
            raise SpeechError("XTTS speaks in the voice of a prompt, which this utterance does not have")
        language = NAMES.get(sample.language, sample.language)
        for chunk in self.model.inference_stream(
            sample.text, language, *self.latents(sample.prompt), enable_text_splitting=True
        ):
            yield chunk.cpu().numpy().astype(np.float32)
