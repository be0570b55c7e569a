"""Full-size MobileSpeech as a system: what `ttsbench train mobilespeech --preset paper` made, over EnCodec.

    MOBILESPEECH_DIR=build/training/mobilespeech-paper ENCODEC_DIR=/models/encodec_24khz \\
        ttsbench run --system python:ttsbench.systems.mobilespeech.full:Trained ...

The authors released no weights. EnCodec's own decoder takes the place of Vocos (see README.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ttsbench.audio import read_at
from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.livespeech.full import located, there_and_back
from ttsbench.systems.mobilespeech.decoding import Settings, speak, without_prompt
from ttsbench.systems.mobilespeech.design import passes
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.mobilespeech.pieces import sentences
from ttsbench.systems.mobilespeech.train import PROMPT_SECONDS, restore
from ttsbench.systems.text.frontend import text_to_ids
from ttsbench.systems.text.phones import ENGLISH

VARIABLE, WEIGHTS = "MOBILESPEECH_DIR", "mobilespeech-paper.safetensors"


class Trained:
    """`folder`: of the training (default: MOBILESPEECH_DIR). `preset`: passes of the first level, 'quality', 'fast' or
    'phone'. `model` and `codec` may be handed in.
    """

    def __init__(
        self,
        folder: str | Path = "",
        preset: str = "quality",
        device: str = "cpu",
        model: MobileSpeech | None = None,
        codec: EnCodec | None = None,
    ) -> None:
        self.device = device
        if model is None:
            model = restore(located(folder, VARIABLE, WEIGHTS, "mobilespeech"))
        self.model = model.to(device).eval()
        design = self.model.design
        self.codec = (codec or EnCodec.published(len(design.levels))).to(device)
        if self.codec.levels != design.columns:
            raise UserError(f"MobileSpeech for codebooks of {design.columns} entries; EnCodec has {self.codec.levels}")
        self.settings = Settings(passes(preset, len(design.levels)))
        self.card = Card(
            "mobilespeech-paper",
            version="own",
            sample_rate=self.codec.sample_rate,
            languages=("en", "zh") if design.phones > len(ENGLISH) else ("en",),
            licence="that of the training data",
            paper="https://arxiv.org/abs/2402.09378",
            about="MobileSpeech, a reconstruction at full size over 8 codebooks of EnCodec, trained by whoever runs it",
            parameters=sum(p.numel() for p in self.model.parameters()),
        )

    @torch.inference_mode()
    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """24 kHz audio of the whole text, or of one piece after the other where it has more than 60 words."""
        if sample.prompt is None:
            raise SpeechError("MobileSpeech speaks in the voice of a prompt, and this sample has none")
        heard = read_at(sample.prompt, self.codec.sample_rate)[-round(PROMPT_SECONDS * self.codec.sample_rate) :]
        prompt = self.codec.encode(torch.from_numpy(heard)[None].to(self.device))[0]
        skipped = sample.prompt_seconds if sample.task == "continuation" and not sample.prompt_text else 0.0
        for piece in sentences(sample.text):
            ids = text_to_ids(piece, self.model.design.phones)
            if set(ids) <= {1}:
                raise SpeechError(f"nothing to say in {piece!r}")
            phones = torch.tensor(ids, device=self.device)
            phones, skipped = without_prompt(self.model, phones, prompt, skipped)
            if len(phones) == 0:
                continue
            codes = speak(self.model, phones, prompt, self.settings, seed)
            yield self.codec.decode(codes[None])[0].float().cpu().numpy()

    def resynthesize(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """The codec round trip of `samples` (n,) at `sample_rate`, at 24 kHz."""
        return there_and_back(self.codec, samples, sample_rate, self.device)
