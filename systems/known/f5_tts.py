"""F5-TTS: flow matching over mel frames. Source: https://github.com/SWivid/F5-TTS, f5_tts/api.py of 1.1 (MIT)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttsbench.records import Card, Sample
from ttsbench.systems.errors import SpeechError


class System:
    """The published base model, in one piece. The prompt's words are given; without them the package recognises them.

    `steps`, `guidance`: evaluations of the flow and strength of the guidance, the package's nfe_step and cfg_strength.
    """

    card = Card("f5-tts", sample_rate=24000, languages=("en", "zh"))

    def __init__(
        self, model: str = "F5TTS_v1_Base", steps: int = 32, guidance: float = 2.0, device: str = "cpu"
    ) -> None:
        from f5_tts.api import F5TTS

        self.steps, self.guidance = steps, guidance
        self.model = F5TTS(model=model, device=device)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the whole utterance. Raises SpeechError without a prompt."""
        if sample.prompt is None:
            raise SpeechError("F5-TTS speaks in the voice of a prompt, which this utterance does not have")
        sound, _, _ = self.model.infer(
            ref_file=str(sample.prompt),
            ref_text=sample.prompt_text,
            gen_text=sample.text,
            nfe_step=self.steps,
            cfg_strength=self.guidance,
            seed=seed,
        )
        yield np.asarray(sound, dtype=np.float32)
