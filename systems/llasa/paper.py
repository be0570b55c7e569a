"""Full-size Llasa: a published language model writing X-codec2 codes.

Source: the authors' model card (papers/llasa.md 2.5, 4.1): the prompt's codes stand at the head of the assistant's
turn, prompt and new codes are decoded together, and the prompt's samples are cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ttsbench.errors import UserError
from ttsbench.systems.llasa import prompt
from ttsbench.systems.llasa.core import CODES, SPEECH, Llama
from ttsbench.systems.llasa.decoding import Sampling, draw
from ttsbench.systems.nn.cache import Cache

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTEXT = 2048  # tokens, prompt and speech together (the training length)
FRAME_RATE = 50.0
HOP = 320  # samples a code, at 16 kHz


class PaperWriter:
    """A `Writer` over tokens: a prompt read by a Llama. `decode` turns codes (time,) into samples (time * 320,)."""

    width, frame_rate = 1, FRAME_RATE

    def __init__(
        self,
        model: Llama,
        tokens: Sequence[int],
        codes: Sequence[int],
        decode: Callable[[Tensor], np.ndarray],
        sampling: Sampling,
    ) -> None:
        if len(tokens) >= CONTEXT:
            raise UserError(
                f"text and prompt are {len(tokens)} tokens, Llasa reads {CONTEXT} in all: cut the prompt or the text"
            )
        self.model, self.decode, self.sampling = model, decode, sampling
        self.device = model.embedding.device
        self.tokens = torch.tensor([list(tokens)], device=self.device)
        self.codes = torch.tensor(list(codes), dtype=torch.long, device=self.device)
        self.limit = CONTEXT - len(tokens)

    @torch.no_grad()
    def begin(self) -> tuple[Cache, Tensor]:
        length = self.tokens.shape[1]
        cache = Cache(self.model.config.shape, 1, length, self.device, self.model.embedding.dtype)
        return cache, self.model.read(self.tokens, cache)[:, -1]

    def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        before = None
        if self.sampling.repetition_penalty != 1.0:  # looks back at the prompt too, as transformers' does
            before = torch.cat([self.tokens.expand(len(frames), -1), frames[:, :, 0]], dim=1)
        tokens = draw(self.model.head(hidden), self.sampling, generator, before)
        return tokens[:, None], tokens == prompt.END

    def read(self, frames: Tensor, state: Cache) -> Tensor:
        return self.model.read(frames, state)[:, -1]

    def audio(self, frames: Tensor) -> np.ndarray:
        """Tokens (time, 1) to samples (n,) at 16 kHz; tokens that are no speech codes are left out."""
        codes = frames[:, 0] - SPEECH
        codes = torch.cat([self.codes, codes[(codes >= 0) & (codes < CODES)]])
        if len(codes) == len(self.codes):
            return np.zeros(0, dtype=np.float32)
        return np.asarray(self.decode(codes), dtype=np.float32)[len(self.codes) * HOP :]


def writer(
    model: Llama,
    tokenizer: Tokenizer,
    decode: Callable[[Tensor], np.ndarray],
    text: str,
    prompt_text: str = "",
    codes: Sequence[int] = (),
    sampling: Sampling | None = None,
) -> PaperWriter:
    """Ready to say `text` in the voice of the prompt's speech `codes`, whose transcript is `prompt_text`."""
    tokens = prompt.encode(tokenizer, prompt.join(prompt_text, text), codes)
    return PaperWriter(model, tokens, codes, decode, sampling or Sampling())
