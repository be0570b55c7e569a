"""Small Llasa as a system: `ttsbench run --system llasa`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.records import Sample
from ttsbench.systems import cards
from ttsbench.systems.codecs import checkpoints, load_codec
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.llasa import search
from ttsbench.systems.llasa.decoding import Cost, Sampling, start
from ttsbench.systems.llasa.small import SmallLlasa, Texts, load, places
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.threads import at_most_two
from ttsbench.systems.text.frontend import text_to_ids

if TYPE_CHECKING:
    from ttsbench.systems.codecs.small import SmallCodec

SAMPLING = Sampling(temperature=0.4)  # half the model card's: a small model's unlikely frames are mostly wrong
LONGEST = 9.0  # seconds of a prompt that are used, the last ones; the training's longest utterance
CONTEXT = 50  # frames of the prompt that are decoded along, so that the sound goes on without a seam
SLACK = 1.6  # a candidate is cut off at this many times the length that its phones make likely


class SmallWriter:
    """A `Writer` over frames of FSQ codes: small Llasa with its text and prompt."""

    def __init__(
        self,
        model: SmallLlasa,
        codec: SmallCodec,
        texts: Texts,
        codes: Tensor,
        limit: int,
        sampling: Sampling,
    ) -> None:
        self.model, self.codec, self.texts, self.codes = model, codec, texts, codes
        self.limit, self.sampling = limit, sampling
        self.width, self.frame_rate = len(model.size.levels), codec.frame_rate

    def begin(self) -> tuple[Cache, Tensor]:
        return self.model.begin(self.texts, self.codes)

    def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.model.head.sample(hidden, self.sampling, generator)

    def read(self, frames: Tensor, state: Cache) -> Tensor:
        at = state.position - self.texts.phones.shape[1]
        return self.model.read(frames, state, at)

    def audio(self, frames: Tensor) -> np.ndarray:
        """Frames (time, digits) to samples at 16 kHz; the prompt's end is decoded along and cut off."""
        if not len(frames):
            return np.zeros(0, dtype=np.float32)
        context = self.codes[:, -CONTEXT:]
        sound = self.codec.decode(torch.cat([context, frames[None]], dim=1))
        return sound[0, context.shape[1] * self.codec.hop :].float().cpu().numpy()


class System:
    """Small Llasa with its shipped weights; texts over 100 characters are spoken in pieces, each as it is ready."""

    def __init__(self, folder: Path | None = None, sampling: Sampling | None = None, device: str = "cpu") -> None:
        torch.set_num_threads(at_most_two())
        self.device = device
        self.model = load((folder or checkpoints()) / "llasa.safetensors", self.device)
        self.codec: Any = load_codec("fsq", folder, self.device)
        self.sampling = sampling or SAMPLING
        parameters = sum(p.numel() for p in self.model.parameters()) + self.codec.parameters
        self.card = replace(cards.read(Path(__file__).with_name("card.toml"))[0], parameters=parameters)

    def writers(self, sample: Sample) -> list[SmallWriter]:
        """One writer for each piece of the text, all with the same prompt; `search` takes them from here.

        Raises SpeechError where there is nothing to say, UnsupportedText for Chinese.
        """
        codes, before = self._prompt(sample)
        if sample.task == "continuation" and not before:
            return [self._continued(sample.text, codes)]
        return [self._writer(piece, codes, before) for piece in self.pieces(sample)]

    def pieces(self, sample: Sample) -> list[str]:
        """What each of the writers says."""
        return search.chunks(sample.text)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Direct sampling, one chunk of sound for each piece of the text."""
        generator = torch.Generator(self.device).manual_seed(seed)
        spoken = False
        for writer in self.writers(sample):
            sound = search.best_of_n(writer, 1, (), generator).audio
            if sound.size:
                spoken = True
                yield np.clip(sound, -1.0, 1.0)
        if not spoken:
            raise SpeechError("the model ended at once and said nothing: try another seed")

    def readings(self, sample: Sample, seed: int, count: int) -> list[np.ndarray]:
        """`count` readings of the sample, each piece of the text as one batch of candidates over one prompt."""
        generator = torch.Generator(self.device).manual_seed(seed)
        pieces = []
        for writer in self.writers(sample):
            found = search.finish(writer, start(writer, count, 0), generator, Cost())
            pieces.append([writer.audio(candidate.frames) for candidate in found])
        return [np.clip(np.concatenate(parts), -1.0, 1.0) for parts in zip(*pieces, strict=True)]

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """A round trip through the FSQ codec, as long as `audio` (samples,), at 16 kHz."""
        here = resample(audio.astype(np.float32), sample_rate, self.codec.sample_rate)
        codes = self.codec.encode(torch.from_numpy(here)[None].to(self.device))
        return np.clip(self.codec.decode(codes)[0].cpu().numpy()[: len(here)], -1.0, 1.0)

    def model_for(self, sample: Sample) -> SmallLlasa:
        """The language model, for counting operations."""
        return self.model

    def _prompt(self, sample: Sample) -> tuple[Tensor, list[int]]:
        """Codes (1, time, digits) of the prompt, and the phones of its text ([] where the text does not fit it)."""
        if sample.prompt is None:
            return torch.zeros(1, 0, len(self.model.size.levels), dtype=torch.long, device=self.device), []
        audio = read_at(sample.prompt, self.codec.sample_rate)
        kept = audio[-round(LONGEST * self.codec.sample_rate) :]
        codes = self.codec.encode(torch.from_numpy(kept)[None].to(self.device))
        known = sample.prompt_text if len(kept) == len(audio) else ""
        return codes, text_to_ids(known, self.model.size.phones) if known else []

    def _writer(self, text: str, codes: Tensor, before: list[int]) -> SmallWriter:
        """`text` after the prompt, at a pace of its own: the prompt's, with its pauses, says little about it."""
        phones, pace = text_to_ids(text, self.model.size.phones), self.model.size.pace
        counts, starts = [len(before), len(phones)], [0, codes.shape[1]]
        positions = places(counts, starts, [codes.shape[1] / max(1, len(before)), pace])
        return self._ready([*before, *phones], positions, codes, len(phones) * pace)

    def _continued(self, text: str, codes: Tensor) -> SmallWriter:
        """`text` from the prompt's own beginning on: it is not known which of its words the prompt says."""
        phones, pace = text_to_ids(text, self.model.size.phones), self.model.size.pace
        rest = max(10 * pace, len(phones) * pace - codes.shape[1])
        return self._ready(phones, places([len(phones)], [0], [pace]), codes, rest)

    def _ready(self, phones: list[int], positions: Tensor, codes: Tensor, likely: float) -> SmallWriter:
        texts = Texts(torch.tensor([phones], device=self.device), positions[None].to(self.device))
        return SmallWriter(self.model, self.codec, texts, codes, round(SLACK * likely) + 25, self.sampling)
