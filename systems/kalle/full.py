"""Full-size KALL-E as a system: the released language model, Flow-VAE and tokenizer.

    KALLE_DIR=/models/KALL-E ttsbench run --system python:systems/kalle/full.py:Released ...

The folder holds model.pt and flowvae.pt (hub kxxia/KALL-E) and tokenizer.json (tokenizer_dir of the public code).
The released model has no speaker encoder: the voice comes from prompt and transcript in the context, or from chance.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import read_at, resample
from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems import weights
from ttsbench.systems.codecs.flowvae_full import FlowVAE
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.kalle.adapt import TestTime, adapted
from ttsbench.systems.kalle.generate import Sampling, frames
from ttsbench.systems.kalle.model import RELEASED, Kalle
from ttsbench.systems.nn import gaussian

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_TEXT, START_OF_SPEECH = "<|SPEECH_UNDERSTANDING_END|>", "<|SPEECH_GENERATION_START|>"
CHUNK = 5  # frames: 0.4 s; the streaming decoder decodes no frame twice, and is 11 frames late


def load_tokenizer() -> Tokenizer:
    """tokenizer.json from KALLE_DIR, its sub-folder tokenizer_dir, or the cache. Raises MissingWeights, ImportError."""
    try:
        from tokenizers import Tokenizer
    except ImportError as fault:
        raise ImportError("full-size KALL-E reads tokenizer.json: pip install 'ttsbench[paper]'") from fault
    places = [weights.KALLE.folder]
    if os.environ.get(weights.KALLE.variable):
        own = Path(os.environ[weights.KALLE.variable])
        places = [own, own / "tokenizer_dir", *places]
    for place in places:
        if (place / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(place / "tokenizer.json"))
    raise weights.MissingWeights(
        "KALL-E: tokenizer.json is not on this machine. Put tokenizer_dir/tokenizer.json of "
        f"https://github.com/xkx-hub/KALL-E into {places[0]}."
    )


class Released:
    """KALL-E as released. Parts may be handed in; what is not is read from disk (`weights.find`)."""

    def __init__(
        self,
        model: Kalle | None = None,
        codec: FlowVAE | None = None,
        tokenizer: Tokenizer | None = None,
        sampling: Sampling | None = None,
        test_time: TestTime | None = None,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.tokenizer = tokenizer or load_tokenizer()
        if model is None:
            tensors = weights.read(weights.find(weights.KALLE))
            model = Kalle(RELEASED)
            model.load(tensors)
        self.model = model.to(self.device).eval()
        self.codec = (codec or FlowVAE.published()).to(self.device).eval()
        self.sampling, self.test_time = sampling or Sampling(), test_time
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
        before = mean = logs = None
        if sample.prompt is not None:
            if not sample.prompt_text:
                raise SpeechError("the released KALL-E clones from a prompt with its transcript; prompt_text is empty")
            with torch.no_grad():
                mean, logs = self.codec.posterior(self._tensor(read_at(sample.prompt, self.codec.sample_rate)))
            before = gaussian.sample(mean, logs, generator=generator)[:, :-1]
        ids = self.ids(sample.prompt_text if before is not None else "", sample.text)
        tuned: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if self.test_time is not None and mean is not None and logs is not None:
            tuned = adapted(self.model, self.ids("", sample.prompt_text), mean, logs, None, self.test_time, seed)
        with tuned, torch.no_grad():
            made = frames(self.model, ids, None, self.sampling, generator, before)
            for piece in self.codec.decode_stream(_chunks(made)):
                yield piece[0].float().cpu().numpy()

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
