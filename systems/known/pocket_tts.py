"""Pocket TTS: 100 million parameters for CPUs, streamed. Source: github.com/kyutai-labs/pocket-tts, 4.0 (MIT).

The weights come from the hub the first time (CC-BY-4.0); those that clone want its terms accepted there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.records import Card, Sample

DEFAULT = "alba"  # one of the voices of the project


class System:
    """Zero-shot from the sound of the prompt alone; the prompt is read once and kept."""

    card = Card("pocket-tts", sample_rate=24000, languages=("en",), streaming=True)

    def __init__(self, language: str = "english") -> None:
        from pocket_tts import TTSModel

        self.model: Any = TTSModel.load_model(language=language)
        self.state = functools.lru_cache(maxsize=16)(self._state)

    def _state(self, prompt: Path | str) -> Any:
        return self.model.get_state_for_audio_prompt(prompt, truncate=True)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the chunks as they come; without a prompt in the voice `DEFAULT`."""
        for chunk in self.model.generate_audio_stream(self.state(sample.prompt or DEFAULT), sample.text):
            yield chunk.cpu().numpy().astype(np.float32)
