"""Full-size LiveSpeech as a system: what `ttsbench train livespeech --preset paper` made, over EnCodec.

    LIVESPEECH_DIR=build/training/livespeech-paper ENCODEC_DIR=/models/encodec_24khz \\
        ttsbench run --system python:ttsbench.systems.livespeech.full:Trained ...

The authors released no weights. As in the paper the voice comes from the enrollment alone: 3 to 5 s of the prompt.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.errors import MissingFile, UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.livespeech.generate import Sampling, frames
from ttsbench.systems.livespeech.model import LiveSpeech, load
from ttsbench.systems.livespeech.text import characters
from ttsbench.systems.text.passages import passages

VARIABLE, WEIGHTS = "LIVESPEECH_DIR", "livespeech-paper.safetensors"
HEARD = 5.0  # seconds of the prompt: training shows 3 to 5
CHUNK = 5  # frames of 13 ms that are decoded together


class Trained:
    """`folder`: of the training (default: LIVESPEECH_DIR). `sampling`: fields of `generate.Sampling`, or one. `model`
    and `codec` may be handed in; a model goes on learning afterwards.
    """

    def __init__(
        self,
        folder: str | Path = "",
        sampling: Sampling | dict[str, Any] | None = None,
        device: str = "cpu",
        model: LiveSpeech | None = None,
        codec: EnCodec | None = None,
    ) -> None:
        self.device = device
        if model is None:
            model = load(located(folder, VARIABLE, WEIGHTS, "livespeech"), device).requires_grad_(False)
        self.model = model
        design = self.model.design
        self.codec = (codec or EnCodec.published(design.count)).to(device)
        if self.codec.levels != design.codebooks:
            raise UserError(f"LiveSpeech for codebooks of {design.codebooks} entries; EnCodec has {self.codec.levels}")
        self.sampling = Sampling(**sampling) if isinstance(sampling, dict) else sampling or Sampling()
        self.card = Card(
            "livespeech-paper",
            version="own",
            sample_rate=self.codec.sample_rate,
            languages=("en",),
            streaming=True,
            licence="that of the training data",
            paper="https://arxiv.org/abs/2406.02897",
            about="LiveSpeech at full size over 16 codebooks of EnCodec, trained by whoever runs it",
            parameters=sum(p.numel() for p in self.model.parameters()),
        )

    @torch.inference_mode()
    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Chunks of 24 kHz audio as their frames are made; long texts passage by passage."""
        if sample.prompt is None:
            raise SpeechError("LiveSpeech speaks in the voice of a prompt, and this sample has none")
        continued = sample.task == "continuation"
        codes = self._codes(sample.prompt, None if continued else HEARD)
        enrollment = self.model.enrollment(self._features(codes[:, : round(HEARD * self.codec.frame_rate)]))
        generator = torch.Generator(self.device).manual_seed(seed)
        for text in [sample.text] if continued else passages(sample.text):
            before = characters(f"{sample.prompt_text} ") if continued and sample.prompt_text else []
            symbols = characters(text)
            if not symbols:
                raise SpeechError(f"nothing to say in {text!r}")
            symbols = [*before, *symbols]
            memory = self.model.join(enrollment, torch.tensor([symbols], device=self.device))
            history = codes[0] if continued else None
            made = frames(self.model, memory, len(symbols), self.sampling, generator, history, len(before))
            for piece in self.codec.decode_stream(in_chunks(made, self.device)):
                yield piece[0].float().cpu().numpy()

    def resynthesize(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """The codec round trip of `samples` (n,) at `sample_rate`, at 24 kHz."""
        return there_and_back(self.codec, samples, sample_rate, self.device)

    def _codes(self, prompt: Path, stop: float | None) -> Tensor:
        heard = read_at(prompt, self.codec.sample_rate, stop=stop)
        return self.codec.encode(torch.from_numpy(heard)[None].to(self.device))

    def _features(self, codes: Tensor) -> Tensor:
        return self.codec.vectors(codes).to(self.model.text.weight.dtype)


def located(folder: str | Path, variable: str, name: str, what: str) -> Path:
    """The checkpoint `name` in `folder`, or in that of the variable. MissingFile says how to make one."""
    place = Path(folder or os.environ.get(variable, "")) / name
    if not (folder or os.environ.get(variable)) or not place.is_file():
        where = place if folder or os.environ.get(variable) else f"{variable} is not set"
        raise MissingFile(
            f"{where}: no full-size checkpoint. Make one with: ttsbench train {what} --preset paper --out DIR, "
            f"then set {variable} to DIR/{what}-paper"
        )
    return place


def there_and_back(codec: EnCodec, samples: np.ndarray, sample_rate: int, device: str) -> np.ndarray:
    """Float32 (n,) at `sample_rate` through EnCodec, as long as it is at 24 kHz."""
    given = resample(samples.astype(np.float32), sample_rate, codec.sample_rate)
    made = codec.decode(codec.encode(torch.from_numpy(given)[None].to(device)))[0].float().cpu().numpy()
    return np.pad(made, (0, max(0, len(given) - len(made))))[: len(given)]


def in_chunks(made: Iterator[Tensor], device: str) -> Iterator[Tensor]:
    """Frames (codebooks,) as codes (1, `CHUNK`, codebooks)."""
    held: list[Tensor] = []
    for frame in made:
        held.append(frame)
        if len(held) == CHUNK:
            yield torch.stack(held)[None].to(device)
            held = []
    if held:
        yield torch.stack(held)[None].to(device)
