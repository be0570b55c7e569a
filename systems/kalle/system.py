"""The small KALL-E as a system: phones and a prompt's voice in, streamed audio out.

System()                                         a prompt gives the voice; without one, the seed draws a voice
System(voice=7)                                  voice number 7 of the prior, whatever the prompt and the seed
System(context=False)                            the voice from the speaker latent alone, no prompt before the speech
System(test_time=TestTime(samples=200, lr=...))  tunes the model to each prompt first, and puts the weights back
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.records import Sample
from ttsbench.systems import cards
from ttsbench.systems.codecs import checkpoints, load_codec
from ttsbench.systems.codecs.mel_codec import FlowVAE
from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.kalle.adapt import TestTime, adapted
from ttsbench.systems.kalle.generate import Sampling, frames
from ttsbench.systems.kalle.model import SMALL, Kalle, KalleShape
from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.mel import log_mel
from ttsbench.systems.text.frontend import text_to_ids
from ttsbench.systems.text.passages import passages

WEIGHTS = "kalle.safetensors"
SAMPLING = Sampling(temperature=0.2, emit="mean", stop=0.5)
CONTEXT = 8.0  # seconds: a longer prompt gives its speaker latent alone, the model never trained on so long a one
INTRODUCTION = "Good morning, this is my voice."  # what a voice without a prompt says first, unheard
LONGEST = 2.5  # times the usual length of the text: where speech that does not stop is cut off
FIRST, LATER = 2, 4  # frames in the first chunk and in those that follow


class System:
    """See the module's docstring. `folder` holds the weights; default: the shipped checkpoints. `shape` and `weights`
    are another model's over the same codec."""

    def __init__(
        self,
        folder: Path | None = None,
        sampling: Sampling = SAMPLING,
        voice: int | None = None,
        test_time: TestTime | None = None,
        context: bool = True,
        device: str = "cpu",
        shape: KalleShape = SMALL,
        weights: Path | None = None,
    ) -> None:
        folder = folder or checkpoints()
        self.device = device
        if self.device == "cpu":
            torch.set_num_threads(1)  # a step is one frame: threads would only wait for each other
        self.codec: Any = load_codec("flowvae", folder, self.device)
        weights = weights or folder / WEIGHTS
        self.model = Kalle(replace(shape, vocabulary=_vocabulary(weights) or shape.vocabulary))
        read_weights(self.model, weights)
        self.model.to(self.device).eval()
        self.sampling, self.voice, self.test_time, self.context = sampling, voice, test_time, context
        self.chunk_frames = LATER
        parameters = sum(p.numel() for p in self.model.parameters()) + self.codec.parameters
        self.card = replace(cards.read(Path(__file__).with_name("card.toml"))[0], parameters=parameters)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Chunks of 16 kHz audio as their frames are made; the same seed gives the same audio."""
        generator = torch.Generator(self.device).manual_seed(seed)
        prompt = None if sample.prompt is None else self._tensor(read_at(sample.prompt, self.codec.sample_rate))
        speaker = self.speaker(prompt, seed if self.voice is None else self.voice)
        before, known = None, ""
        if prompt is not None and self._in_context(sample, prompt):
            before, known = self._latents(prompt, generator), sample.prompt_text
        elif self.context and (prompt is None or self.voice is not None):
            before, known = self._introduced(speaker), INTRODUCTION
        texts = (
            [sample.text] if sample.task == "continuation" else passages(sample.text, self.model.shape.vocabulary - 1)
        )
        told = text_to_ids(known, self.model.shape.vocabulary - 1) if known else []
        ids = [self._ids(text, told) for text in texts]
        with self._tuned(sample, prompt, speaker, seed):
            made = (frame for part in ids for frame in self._frames(part, speaker, before, generator, len(told)))
            for piece in self.codec.decode_stream(_chunks(made, self.chunk_frames)):
                yield piece[0].float().cpu().numpy()

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """Flow-VAE and vocoder, there and back; the same length at 16 kHz."""
        here = self._tensor(resample(audio.astype(np.float32), sample_rate, self.codec.sample_rate))
        return self.codec.decode(self.codec.encode(here))[0].float().cpu().numpy()[: here.shape[1]]

    @torch.no_grad()
    def speaker(self, prompt: Tensor | None, seed: int) -> Tensor:
        """The speaker latent (1, n): the mean for a prompt (1, samples), or voice `seed` of the prior."""
        if prompt is None or self.voice is not None:
            assert self.model.shape.speaker is not None
            drawn = torch.randn(1, self.model.shape.speaker.latent, generator=torch.Generator().manual_seed(seed))
            return drawn.to(self.device)
        mel = log_mel(prompt)
        if mel.shape[1] < 20:
            raise SpeechError(f"the prompt is {prompt.shape[1] / 16000:.2f} s long; a voice needs 0.2 s or more")
        return self.model.speaker(mel)[0]

    @torch.no_grad()
    def _introduced(self, speaker: Tensor) -> Tensor:
        """What a voice of the prior says unheard, as latents: as a prompt it holds the voice together over texts."""
        generator = torch.Generator(self.device).manual_seed(0)
        said = torch.cat(list(self._frames(self._ids(INTRODUCTION), speaker, None, generator)), dim=1)
        return self.model.standardise(said, torch.zeros_like(said))[0]

    def _in_context(self, sample: Sample, prompt: Tensor) -> bool:
        """Whether the prompt's text and latents go before what is spoken."""
        if sample.task == "continuation":
            return True
        short = prompt.shape[1] <= CONTEXT * self.codec.sample_rate
        return self.context and self.voice is None and bool(sample.prompt_text) and short

    def _frames(
        self, ids: Tensor, speaker: Tensor, before: Tensor | None, generator: torch.Generator, told: int = 0
    ) -> Iterator[Tensor]:
        """Frames of what `ids` say after the prompt's latents `before`, which say the first `told` of them."""
        said = 0 if before is None or told else before.shape[1]
        usual = (ids.shape[1] - 1 - told) * (self.model.shape.spacing or 1.0) - said
        most = max(12, round(LONGEST * usual))
        how = replace(self.sampling, most=min(most, self.sampling.most))
        return frames(self.model, ids, speaker, how, generator, before, told)

    @contextlib.contextmanager
    def _tuned(self, sample: Sample, prompt: Tensor | None, speaker: Tensor, seed: int) -> Iterator[None]:
        """Inside, the model is tuned to the prompt where that was asked for and the prompt has a text."""
        if self.test_time is None or not self.test_time.samples or prompt is None or not sample.prompt_text:
            yield
            return
        mean, logs = self.model.standardise(*self._posterior(prompt))
        with adapted(self.model, self._ids(sample.prompt_text), mean, logs, speaker, self.test_time, seed):
            yield

    def _latents(self, prompt: Tensor, generator: torch.Generator) -> Tensor:
        """A sample of the prompt's posterior in the model's coordinates; the last, half-heard frame is left out."""
        mean, logs = self.model.standardise(*self._posterior(prompt))
        return gaussian.sample(mean, logs, generator=generator)[:, :-1]

    @torch.no_grad()
    def _posterior(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(self.codec.model, FlowVAE)
        missing = -audio.shape[-1] % self.codec.hop
        return self.codec.model.posterior(log_mel(torch.nn.functional.pad(audio, (0, missing))))

    def _ids(self, text: str, told: Sequence[int] = ()) -> Tensor:
        """A prompt's phones `told`, the phones of `text`, and the start of speech, (1, tokens)."""
        phones = text_to_ids(text, self.model.shape.vocabulary - 1)
        if set(phones) <= {1}:
            raise SpeechError(f"nothing to say in {text!r}")
        return torch.tensor([[*told, *phones, self.model.shape.vocabulary - 1]], device=self.device)

    def _tensor(self, audio: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None].to(self.device)


def _vocabulary(path: Path) -> int:
    """Rows of the text table in a file of weights: the phones that this model knows, and the start of speech."""
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as handle:
        return int(handle.get_slice("base_model.model.embed_tokens.weight").get_shape()[0])


def _chunks(made: Iterator[Tensor], later: int) -> Iterator[Tensor]:
    """Single frames (1, 1, latent) in groups: a short one first, so that sound comes early."""
    held: list[Tensor] = []
    wanted = FIRST
    for frame in made:
        held.append(frame)
        if len(held) == wanted:
            yield torch.cat(held, dim=1)
            held, wanted = [], later
    if held:
        yield torch.cat(held, dim=1)
