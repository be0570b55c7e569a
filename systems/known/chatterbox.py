"""Chatterbox: a Llama over speech tokens, and flow matching. Source: https://github.com/resemble-ai/chatterbox (MIT).

Its output carries an inaudible watermark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ttsbench.records import Card, Sample


class System:
    """The English model, or with `multilingual` that of 23 languages; zero-shot from the sound of the prompt alone."""

    card = Card("chatterbox", sample_rate=24000, languages=("en",))

    def __init__(self, multilingual: bool = False, device: str = "cpu") -> None:
        self.multilingual = multilingual
        self.model: Any
        if multilingual:
            from chatterbox.mtl_tts import ChatterboxMultilingualTTS

            self.model = ChatterboxMultilingualTTS.from_pretrained(device=device)
        else:
            from chatterbox.tts import ChatterboxTTS

            self.model = ChatterboxTTS.from_pretrained(device=device)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the whole utterance; without a prompt in the voice that comes with the model."""
        more = {"language_id": sample.language} if self.multilingual else {}
        prompt = str(sample.prompt) if sample.prompt else None
        sound = self.model.generate(sample.text, audio_prompt_path=prompt, **more)
        yield sound.squeeze(0).cpu().numpy().astype(np.float32)
