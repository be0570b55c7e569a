"""Full-size KALL-E as a system: the released language model, or one trained here, over Flow-VAE.

    KALLE_DIR=/models/KALL-E ttsbench run --system python:ttsbench.systems.kalle.full:Released ...
    KALLE_PAPER_DIR=build/training/kalle-paper ttsbench run --system python:ttsbench.systems.kalle.full:Trained ...

`Released` reads model.pt and flowvae.pt (hub kxxia/KALL-E), in the folder or in its ckpt/ as in the public code, and
tokenizer.json, there or in tokenizer_dir/. It has no speaker encoder: the voice comes from prompt and transcript in the
context, or from chance. `Trained` speaks from the folder that `ttsbench train kalle --preset paper` filled, with the
speaker encoder of the paper: the voice of a prompt is the mean of its speaker latent, the voice without a prompt is
drawn from the prior, by the seed or by its number. `Tuned` and `TrainedTuned` tune themselves to each prompt first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.errors import MissingFile, UserError
from ttsbench.records import Card, Sample
from ttsbench.systems import weights
from ttsbench.systems.codecs.flowvae_full import FlowVAE
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.kalle.adapt import TestTime, adapted
from ttsbench.systems.kalle.generate import Sampling, frames
from ttsbench.systems.kalle.model import RELEASED, Kalle, restore
from ttsbench.systems.kalle.speaker import speaker_mel
from ttsbench.systems.nn import gaussian

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_TEXT, START_OF_SPEECH = "<|SPEECH_UNDERSTANDING_END|>", "<|SPEECH_GENERATION_START|>"
CHUNK = 5  # frames: 0.4 s; the streaming decoder decodes no frame twice, and is 11 frames late
VARIABLE, WEIGHTS, CODEC = "KALLE_PAPER_DIR", "kalle-paper.safetensors", "flowvae.safetensors"


def load_tokenizer(*places: Path) -> Tokenizer:
    """tokenizer.json from one of `places`; by default KALLE_DIR, tokenizer_dir in it or beside it, or the cache.

    Raises MissingWeights, ImportError.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as fault:
        raise ImportError("full-size KALL-E reads tokenizer.json: pip install 'ttsbench[paper]'") from fault
    if not places:
        own = [Path(name) for name in [os.environ.get(weights.KALLE.variable)] if name]
        roots = [*own, *(path.parent for path in own), weights.KALLE.folder]
        places = tuple(place for root in roots for place in (root, root / "tokenizer_dir"))
    for place in places:
        if (place / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(place / "tokenizer.json"))
    raise weights.MissingWeights(
        "KALL-E: tokenizer.json is not on this machine. Put tokenizer_dir/tokenizer.json of "
        f"https://github.com/xkx-hub/KALL-E into {places[0]}."
    )


class Released:
    """KALL-E as released. Parts may be handed in; what is not is read from disk (`weights.find`).

    `voice`: the number of a voice of the prior, whatever the prompt (models with a speaker encoder). `context`: whether
    a prompt with its text goes before what is spoken, too. `sampling` and `test_time` may be tables of their fields.
    """

    def __init__(
        self,
        model: Kalle | None = None,
        codec: FlowVAE | None = None,
        tokenizer: Tokenizer | None = None,
        sampling: Sampling | dict[str, Any] | None = None,
        test_time: TestTime | dict[str, Any] | None = None,
        voice: int | None = None,
        context: bool = True,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.tokenizer = tokenizer or load_tokenizer()
        if model is None:
            path = weights.find(weights.KALLE)
            model = Kalle(RELEASED)
            model.load(weights.read(path), path)
        self.model = model.to(self.device).eval()
        self.codec = (codec or FlowVAE.published()).to(self.device).eval()
        self.sampling = Sampling(**sampling) if isinstance(sampling, dict) else sampling or Sampling()
        self.test_time = TestTime(**test_time) if isinstance(test_time, dict) else test_time
        self.voice, self.context = voice, context
        self.card = Card(
            "kalle-released",
            version="published",
            sample_rate=self.codec.sample_rate,
            languages=("en", "zh"),
            streaming=True,
            licence=weights.KALLE.licence,
            paper="https://arxiv.org/abs/2412.16846",
            about="KALL-E as released: Llama-3.2-1B over Flow-VAE latents, the voice from the context",
            parameters=sum(p.numel() for p in self.model.parameters()),
        )

    def ids(self, prompt_text: str, text: str) -> Tensor:
        """Token ids (1, n): the prompt's text, the text without a second beginning mark, two special tokens."""
        first = self.tokenizer.encode(prompt_text).ids if prompt_text else []
        then = self.tokenizer.encode(text).ids
        marks = [self.tokenizer.token_to_id(mark) for mark in (END_OF_TEXT, START_OF_SPEECH)]
        if None in marks:
            raise UserError(f"this tokenizer has no {END_OF_TEXT} or {START_OF_SPEECH}: it is not KALL-E's")
        return torch.tensor([[*first, *(then[1:] if first else then), *marks]], device=self.device)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Chunks of 16 kHz audio, 0.4 s each."""
        generator = torch.Generator(self.device).manual_seed(seed)
        heard = None if sample.prompt is None else read_at(sample.prompt, self.codec.sample_rate)
        speaker = self.speaker(heard, seed)
        if heard is not None and speaker is None and not sample.prompt_text:
            raise SpeechError("the released KALL-E clones from a prompt with its transcript; prompt_text is empty")
        before = mean = logs = None
        if heard is not None and sample.prompt_text and self.voice is None:
            with torch.no_grad():
                mean, logs = self.codec.posterior(self._tensor(heard))
            if self.context or speaker is None:
                before = gaussian.sample(mean, logs, generator=generator)[:, :-1]
        ids = self.ids(sample.prompt_text if before is not None else "", sample.text)
        tuned: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if self.test_time is not None and mean is not None and logs is not None:
            tuned = adapted(self.model, self.ids("", sample.prompt_text), mean, logs, speaker, self.test_time, seed)
        with tuned, torch.no_grad():
            made = frames(self.model, ids, speaker, self.sampling, generator, before)
            for piece in self.codec.decode_stream(_chunks(made)):
                yield piece[0].float().cpu().numpy()

    @torch.no_grad()
    def speaker(self, heard: np.ndarray | None, seed: int) -> Tensor | None:
        """The speaker latent (1, n): the mean for a prompt (samples,), else voice `seed` of the prior N(0, 1). None
        where the model has no speaker encoder.
        """
        shape = self.model.shape.speaker
        if shape is None:
            if self.voice is not None:
                raise UserError("this KALL-E has no speaker encoder, and so no voices by number: leave `voice` out")
            return None
        if heard is None or self.voice is not None:
            number = seed if self.voice is None else self.voice
            return torch.randn(1, shape.latent, generator=torch.Generator().manual_seed(number)).to(self.device)
        return self.model.speaker(torch.from_numpy(speaker_mel(heard, shape.mels))[None].to(self.device))[0]

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """Flow-VAE there and back, from the posterior's mean; the same length at 16 kHz."""
        here = self._tensor(resample(audio.astype(np.float32), sample_rate, self.codec.sample_rate))
        with torch.no_grad():
            return self.codec.decode(self.codec.encode(here))[0].float().cpu().numpy()[: here.shape[1]]

    def _tensor(self, audio: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None].to(self.device)


def _chunks(made: Iterator[Tensor]) -> Iterator[Tensor]:
    held: list[Tensor] = []
    for frame in made:
        held.append(frame)
        if len(held) == CHUNK:
            yield torch.cat(held, dim=1)
            held = []
    if held:
        yield torch.cat(held, dim=1)


class Tuned(Released):
    """`Released` with the paper's test-time training: 200 samples of each prompt that has a text, at a rate of 1e-6."""

    def __init__(self, test_time: TestTime | dict[str, Any] | None = None, device: str = "cpu", **more: Any) -> None:
        super().__init__(test_time=test_time or TestTime(), device=device, **more)
        self.card = replace(self.card, name=f"{self.card.name}-ttt")


class Trained(Released):
    """What was trained here, from a folder that holds kalle-paper.safetensors with its shape, flowvae.safetensors and
    tokenizer.json. Arguments as of `Released`.
    """

    def __init__(self, folder: str | Path = "", device: str = "cpu", **more: Any) -> None:
        place = Path(folder or os.environ.get(VARIABLE, ""))
        if not (folder or os.environ.get(VARIABLE)) or not (place / WEIGHTS).is_file():
            raise MissingFile(
                f"{place / WEIGHTS}: no full-size checkpoint. Make one with: ttsbench train kalle --preset paper --out "
                f"DIR, then set {VARIABLE} to DIR/kalle-paper"
            )
        codec, tokenizer = FlowVAE.saved(place / CODEC), load_tokenizer(place)
        super().__init__(restore(place / WEIGHTS), codec, tokenizer, device=device, **more)
        about = "KALL-E at full size with its speaker encoder, trained by whoever runs it"
        self.card = replace(self.card, name="kalle-paper", version="own", about=about)


class TrainedTuned(Trained):
    """`Trained` with test-time training, as `Tuned`."""

    def __init__(self, test_time: TestTime | dict[str, Any] | None = None, device: str = "cpu", **more: Any) -> None:
        super().__init__(test_time=test_time or TestTime(), device=device, **more)
        self.card = replace(self.card, name=f"{self.card.name}-ttt")
