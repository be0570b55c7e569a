"""The small MobileSpeech that ships: English, in the voice of the prompt, a whole sentence at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ttsbench import audio
from ttsbench.errors import MissingFile, UserError
from ttsbench.records import Sample
from ttsbench.systems import cards
from ttsbench.systems.codecs import checkpoints, load_codec
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.mobilespeech.decoding import Settings, seconds_of, speak, without_prompt
from ttsbench.systems.mobilespeech.design import PASSES
from ttsbench.systems.mobilespeech.pieces import clauses, sentences
from ttsbench.systems.mobilespeech.train import PROMPT_SECONDS, restore
from ttsbench.systems.nn.precision import has_bf16
from ttsbench.systems.nn.threads import at_most_two
from ttsbench.systems.text.normalise import UnsupportedText

TEMPERATURE = 0.3  # this and the next chosen on sentences and voices outside the test sets
FINER_PASSES = (2, 1)  # of the second and third level, never more than of the first
# How far a prompt may slow what is said: a transcript can be wrong. None may hurry it: hurried speech loses words.
PACES = (1.0, 1.25)


class System:
    """See README.md beside this file. The arguments are those of the ablation cards.

    `passes`: of the decoder, for the first level. `in_clauses`: each clause is synthesised by itself and sent at once,
    which is streaming by clauses, not by frames. `cross_attention` and `prompt_durations`: the prompt's ways in.
    `guidance`: see `decoding.Settings`.
    """

    def __init__(
        self,
        passes: int = PASSES["phone"],
        in_clauses: bool = False,
        cross_attention: bool = True,
        prompt_durations: bool = True,
        temperature: float = TEMPERATURE,
        guidance: float = 1.0,
        checkpoint: str = "mobilespeech",
        device: str = "cpu",
    ) -> None:
        self.device = device
        path = checkpoints() / f"{checkpoint}.safetensors"
        if not path.is_file():
            raise MissingFile(f"{path}: no such checkpoint; train one with: ttsbench train mobilespeech")
        self.model = restore(path, cross_attention, prompt_durations).to(self.device)
        self.half = self.device != "mps" and has_bf16(self.device)
        if self.half:
            self.model.bfloat16()
        if self.device == "cpu":  # more threads than two would only wait for each other
            torch.set_num_threads(at_most_two())
        self.codec = load_codec("fsq", device=self.device)
        design = self.model.design
        if tuple(self.codec.levels) != design.columns:
            raise UserError(f"{path}: made for a codec of levels {design.columns}, this one has {self.codec.levels}")
        if guidance != 1.0 and not design.voiceless:
            raise UserError(f"{path}: guidance {guidance} needs a model that was also trained without a prompt")
        finer = (min(passes, most) for most in FINER_PASSES)
        self.settings = Settings((passes, *finer), temperature, guidance=guidance)
        self.in_clauses = in_clauses
        parameters = sum(p.numel() for p in self.model.parameters()) + self.codec.parameters
        own = cards.read(Path(__file__).with_name("card.toml"))[0]
        self.card = replace(own, parameters=parameters, streaming=in_clauses)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield the whole of a text of up to 60 words, else one piece after the other (`pieces`)."""
        from ttsbench.systems.text.frontend import text_to_ids

        if sample.prompt is None:
            raise SpeechError("MobileSpeech speaks in the voice of a prompt, and this sample has none")
        heard = audio.read_at(sample.prompt, self.codec.sample_rate)
        prompt = self._prompt(heard, from_end=sample.task == "continuation")
        design = self.model.design
        settings = replace(self.settings, pace=self._pace(sample.prompt_text, heard, prompt))
        pieces = clauses(sample.text) if self.in_clauses else sentences(sample.text)
        skipped = sample.prompt_seconds if sample.task == "continuation" and not sample.prompt_text else 0.0
        for piece in pieces:
            phones = torch.tensor(text_to_ids(piece, design.phones), device=self.device)
            phones, skipped = without_prompt(self.model, phones, prompt, skipped)
            if len(phones) == 0:
                continue
            codes = speak(self.model, phones, prompt, settings, seed)
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.half):
                made = self.codec.decode(codes[None])[0]
            yield made.float().cpu().numpy()

    def _pace(self, said: str, heard: np.ndarray, prompt: Tensor) -> float:
        """How much longer the prompt `heard` (n,) is, from its first to its last sound, than the model would say its
        transcript; 1 where that is not known or in a language that the checkpoint does not speak."""
        from ttsbench.systems.text.frontend import text_to_ids

        if not any(map(str.isalnum, said)):
            return 1.0
        try:
            phones = torch.tensor(text_to_ids(said, self.model.design.phones), device=self.device)
        except UnsupportedText:
            return 1.0
        expected = seconds_of(self.model, phones, prompt)
        length = audio.audible_seconds(heard, self.codec.sample_rate)
        return min(max(length / expected, PACES[0]), PACES[1]) if expected and length else 1.0

    def resynthesize(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """The codec round trip of `samples` (n,) at `sample_rate`, at 16 kHz and of the same length."""
        given = audio.resample(samples, sample_rate, self.codec.sample_rate)
        made = self.codec.decode(self.codec.encode(torch.from_numpy(given)[None]))[0].float().cpu().numpy()
        return np.pad(made, (0, max(0, len(given) - len(made))))[: len(given)]

    def _prompt(self, heard: np.ndarray, from_end: bool) -> Tensor:
        """Symbols (R, K) of a prompt (n,): of its first 4 s, or its last, which lead into what is to be spoken."""
        most = round(PROMPT_SECONDS * self.codec.sample_rate)
        samples = heard if from_end else heard[:most]
        codes = self.codec.encode(torch.from_numpy(samples)[None].to(self.device))[0]
        return codes[-round(PROMPT_SECONDS * self.codec.frame_rate) :]
