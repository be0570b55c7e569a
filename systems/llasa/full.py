"""Full-size Llasa as a system: published language model, published tokenizer, X-codec2.

    ttsbench run --system python:systems/llasa/full.py:Llasa1B ...

The folder is LLASA_DIR, or what `ttsbench.systems.weights` finds of the hub repository; XCODEC2_DIR likewise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at
from ttsbench.records import Card, Sample
from ttsbench.systems import weights
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.llasa import core, prompt, search
from ttsbench.systems.llasa.decoding import Sampling
from ttsbench.systems.llasa.paper import PaperWriter, writer

LICENCE = "CC BY-NC 4.0"
RATE = 16000


def locate(where: str | Path, download: bool = False) -> Path:
    """The folder of a published Llasa: `where` is a local folder, or a hub id such as "HKUSTAudio/Llasa-1B".

    Raises MissingWeights naming the file that is not there and where to get it.
    """
    if Path(where).is_dir():
        return Path(where)
    config = _file(str(where), "config.json", download)
    _file(str(where), "tokenizer.json", download)
    try:
        index = _file(str(where), "model.safetensors.index.json", download)
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except weights.MissingWeights:
        names = ["model.safetensors"]
    for name in names:
        _file(str(where), name, download)
    return config.parent


def _file(hub: str, name: str, download: bool) -> Path:
    return weights.find(weights.Weights(hub.split("/")[-1], hub, name, "LLASA_DIR", LICENCE), download)


class Paper:
    """A published Llasa that speaks. `codec`: `encode` and `decode` as `systems.codecs.xcodec2.XCodec2` has them."""

    def __init__(
        self,
        where: str | Path = "HKUSTAudio/Llasa-1B",
        codec: Any = None,
        sampling: Sampling | None = None,
        download: bool = False,
        device: str = "cpu",
    ) -> None:
        self.device = device
        dtype = torch.float32 if self.device == "cpu" else torch.bfloat16
        folder = locate(where, download)
        self.tokenizer = prompt.load_tokenizer(folder)
        self.model = core.load(folder, self.device, dtype)
        if codec is None:
            from ttsbench.systems.codecs.xcodec2 import XCodec2

            codec = XCodec2.published(download).to(self.device)
        self.codec, self.sampling = codec, sampling or Sampling()
        self.card = Card(
            Path(where).name.lower(),
            version="published",
            sample_rate=RATE,
            languages=("en", "zh"),
            licence=LICENCE,
            paper="https://arxiv.org/abs/2502.04128",
            about="Llasa as published: one Llama over X-codec2 codes, sampled directly",
            parameters=sum(p.numel() for p in self.model.parameters()),
        )

    def writer(self, sample: Sample) -> PaperWriter:
        """Ready to say the sample's text in its prompt's voice; `search` takes it from here."""
        codes: list[int] = []
        if sample.prompt is not None:
            audio = torch.from_numpy(read_at(sample.prompt, RATE))[None].to(self.device)
            codes = self.codec.encode(audio)[0, :, 0].tolist()
        return writer(self.model, self.tokenizer, self._decode, sample.text, sample.prompt_text, codes, self.sampling)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Direct sampling; the whole utterance at once, since X-codec2's decoder attends to all of it."""
        generator = torch.Generator(self.device).manual_seed(seed)
        found = search.best_of_n(self.writer(sample), 1, (), generator)
        if not found.audio.size:
            raise SpeechError("the model ended at once and said nothing: try another seed")
        yield np.clip(found.audio, -1.0, 1.0)

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """A round trip through X-codec2, as long as `audio` (samples,), at 16 kHz."""
        from ttsbench.audio import resample

        here = resample(audio.astype(np.float32), sample_rate, RATE)
        codes = self.codec.encode(torch.from_numpy(here)[None].to(self.device))
        return self.codec.decode(codes)[0].float().cpu().numpy()[: len(here)]

    def _decode(self, codes: Tensor) -> np.ndarray:
        return self.codec.decode(codes[None, :, None])[0].float().cpu().numpy()


class Llasa1B(Paper):
    """The 1B model (trained on 250 000 hours)."""


class Llasa3B(Paper):
    """The 3B model."""

    def __init__(self) -> None:
        super().__init__("HKUSTAudio/Llasa-3B")


class Llasa8B(Paper):
    """The 8B model."""

    def __init__(self) -> None:
        super().__init__("HKUSTAudio/Llasa-8B")
