"""CosyVoice 2 and 3: a language model over speech tokens, and flow matching, streamed.

Source: https://github.com/FunAudioLLM/CosyVoice, example.py as of March 2026 (Apache-2.0). It is no package: the
variable COSYVOICE names a checkout with its requirements installed and the model below pretrained_models.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.errors import SpeechError

VARIABLE = "COSYVOICE"


class System:
    """Zero-shot: the prompt's words and its sound. `instruction` stands before those words, as version 3 wants."""

    card = Card("cosyvoice", sample_rate=24000, languages=("en", "zh"), streaming=True)

    def __init__(self, model: str, instruction: str = "") -> None:
        home = Path(os.environ.get(VARIABLE, ""))
        folder = home / "pretrained_models" / model
        if not folder.is_dir():
            raise UserError(f"{VARIABLE}={home}: no model {folder}; see the README of CosyVoice")
        sys.path += [str(home), str(home / "third_party" / "Matcha-TTS")]
        from cosyvoice.cli.cosyvoice import AutoModel

        self.instruction = instruction
        self.model = AutoModel(model_dir=str(folder))

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the chunks as they come. Raises SpeechError without a prompt."""
        if sample.prompt is None:
            raise SpeechError("CosyVoice speaks in the voice of a prompt, which this utterance does not have")
        words = self.instruction + sample.prompt_text
        for piece in self.model.inference_zero_shot(sample.text, words, str(sample.prompt), stream=True):
            yield piece["tts_speech"].squeeze(0).cpu().numpy().astype(np.float32)
