"""Full-size Llasa as a system: published language model, published tokenizer, X-codec2.

    LLASA_1B_DIR=/models/Llasa-1B XCODEC2_DIR=/models/xcodec2 \\
        ttsbench run --system python:ttsbench.systems.llasa.full:Llasa1B ...

Every size has a variable of its own; without it the folder that `ttsbench fetch llasa-1b` fills is looked into. `Paper`
takes any folder in the published layout, LLASA_DIR: what `ttsbench train llasa --preset paper` makes, too. A card with
`adapter = "python"` sets the arguments: `where`, `chunked`, `search` (see `systems.scaling.searches`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems import weights
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.llasa import core, prompt, search
from ttsbench.systems.llasa.decoding import Sampling
from ttsbench.systems.llasa.paper import PaperWriter, writer
from ttsbench.systems.scaling.searches import Search

LICENCE = "CC BY-NC 4.0"
RATE = 16000
VARIABLE = "LLASA_DIR"


def locate(size: str) -> Path:
    """The folder of the published model of that size: its variable, or what was fetched. MissingWeights names the file
    that is not there and where to get it.
    """
    tensors = weights.LLASA[size]
    for name in ("config.json", "tokenizer.json"):
        weights.find(replace(tensors, file=name))
    found = [weights.find(replace(tensors, file=name)) for name in weights.shards(tensors)]
    return found[0].parent


class Paper:
    """A Llasa in the published layout, of any size, that speaks.

    `where`: its folder (default: LLASA_DIR). `size`: the published model that it must be ("": any). `codec`: `encode`
    and `decode` as `systems.codecs.xcodec2.XCodec2` has them. `chunked`: texts over 100 characters are spoken in two
    pieces, over 200 in three. `search`: settings of a search among candidates; without it, direct sampling.
    """

    def __init__(
        self,
        where: str | Path = "",
        codec: Any = None,
        sampling: Sampling | None = None,
        size: str = "",
        chunked: bool = False,
        search: Mapping[str, Any] | None = None,
        device: str = "cpu",
    ) -> None:
        self.device, self.chunked = device, chunked
        dtype = torch.float32 if self.device == "cpu" else torch.bfloat16
        folder = Path(where or os.environ.get(VARIABLE, "")) if where or not size else locate(size)
        if not (where or size or os.environ.get(VARIABLE)):
            raise UserError(
                f"which Llasa? Set {VARIABLE} to its folder, or name the system Llasa1B, Llasa3B or Llasa8B"
            )
        self.search = Search(**(search or {}))
        self.tokenizer = prompt.load_tokenizer(folder)
        self.model = core.load(folder, self.device, dtype, size)
        if codec is None:
            from ttsbench.systems.codecs.xcodec2 import XCodec2

            codec = XCodec2.published().to(self.device)
        self.codec, self.sampling = codec, sampling or Sampling()
        self.card = Card(
            f"llasa-{size}" if size else folder.resolve().name.lower(),
            version="published" if size else "own",
            sample_rate=RATE,
            languages=("en", "zh"),
            licence=LICENCE,
            paper="https://arxiv.org/abs/2502.04128",
            about=f"Llasa at full size: one Llama over X-codec2 codes, {self.search.about}",
            parameters=sum(p.numel() for p in self.model.parameters()),
        )

    def writers(self, sample: Sample) -> list[PaperWriter]:
        """One writer for each piece of the text, all with the same prompt; searches take them from here."""
        codes = self._codes(sample)
        return [
            writer(self.model, self.tokenizer, self._decode, piece, sample.prompt_text, codes, self.sampling)
            for piece in self.pieces(sample)
        ]

    def pieces(self, sample: Sample) -> list[str]:
        """What each of the writers says."""
        return search.chunks(sample.text) if self.chunked else [sample.text]

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Piece by piece; a piece comes whole, since X-codec2's decoder attends to all of it."""
        generator = torch.Generator(self.device).manual_seed(seed)
        spoken = False
        for piece, ready in zip(self.pieces(sample), self.writers(sample), strict=True):
            found = self.search.run(ready, replace(sample, text=piece), RATE, generator)
            if found.audio.size:
                spoken = True
                yield np.clip(found.audio, -1.0, 1.0)
        if not spoken:
            raise SpeechError("the model ended at once and said nothing: try another seed")

    @torch.inference_mode()
    def transcribe(self, audio: np.ndarray, sample_rate: int) -> str:
        """What a model trained to recognise (`--variant 1b-asr`) hears in `audio` (samples,), greedily."""
        here = torch.from_numpy(resample(audio.astype(np.float32), sample_rate, RATE))[None].to(self.device)
        ids = prompt.encode_heard(self.tokenizer, self.codec.encode(here)[0, :, 0].tolist())
        ready = PaperWriter(self.model, ids, (), self._decode, Sampling(temperature=0.0))
        state, hidden = ready.begin()
        state, said = state.fork(1, ready.limit), list[int]()
        while len(said) < ready.limit:
            token = int(self.model.head(hidden).argmax())
            if token == prompt.TEXT_END:
                break
            said.append(token)
            hidden = ready.read(torch.tensor([[token]], device=self.device), state)
        return self.tokenizer.decode(said).strip()

    def _codes(self, sample: Sample) -> list[int]:
        if sample.prompt is None:
            return []
        audio = torch.from_numpy(read_at(sample.prompt, RATE))[None].to(self.device)
        return self.codec.encode(audio)[0, :, 0].tolist()

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """A round trip through X-codec2, as long as `audio` (samples,), at 16 kHz."""
        here = resample(audio.astype(np.float32), sample_rate, RATE)
        codes = self.codec.encode(torch.from_numpy(here)[None].to(self.device))
        return self.codec.decode(codes)[0].float().cpu().numpy()[: len(here)]

    def _decode(self, codes: Tensor) -> np.ndarray:
        return self.codec.decode(codes[None, :, None])[0].float().cpu().numpy()


class Llasa1B(Paper):
    """The published 1B model (trained on 250 000 hours): LLASA_1B_DIR. Arguments as of `Paper`."""

    SIZE = "1b"

    def __init__(self, where: str | Path = "", device: str = "cpu", **more: Any) -> None:
        super().__init__(where, size=self.SIZE, device=device, **more)


class Llasa3B(Llasa1B):
    """The published 3B model: LLASA_3B_DIR."""

    SIZE = "3b"


class Llasa8B(Llasa1B):
    """The published 8B model: LLASA_8B_DIR."""

    SIZE = "8b"
