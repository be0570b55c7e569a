"""A search at synthesis as settings, for systems whose candidates can be chosen among, and for their cards:

    [arguments.search]
    kind = "partial"                        # direct, orm, prm, partial
    process = "speakers.ge2e"               # scores the sound so far: prm, partial
    outcome = ["recognisers.faster_whisper", "speakers.ge2e"]   # chooses among whole candidates: orm, partial

Names of verifiers: `systems.scaling.verifiers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems.llasa import search
from ttsbench.systems.llasa.decoding import Writer
from ttsbench.systems.scaling import verifiers

Kind = Literal["direct", "orm", "prm", "partial"]
ABOUT = {
    "direct": "sampled directly",
    "orm": "the best of {n} by {outcome}",
    "prm": "beam search by {process}",
    "partial": "beam search by {process} for {seconds:g} s, then the best by {outcome}",
}


@dataclass(frozen=True)
class Search:
    """`n` whole candidates (orm); `beams`, `samples` of each, `step` in frames, `seconds` searched, `copies` of each
    beam (prm, partial). The defaults are the paper's.
    """

    kind: Kind = "direct"
    n: int = 16
    beams: int = 16
    samples: int = 16
    step: int = 25
    seconds: float = 2.0
    copies: int = 1
    process: str = verifiers.SPEAKER
    outcome: Sequence[str] = (verifiers.RECOGNISER, verifiers.SPEAKER)

    def __post_init__(self) -> None:
        if self.kind not in ABOUT:
            raise UserError(f"no search {self.kind!r}; there are {', '.join(ABOUT)}")

    @property
    def about(self) -> str:
        """In words."""
        return ABOUT[self.kind].format(
            n=self.n, outcome=" and ".join(self.outcome), process=self.process, seconds=self.seconds
        )

    def run(self, writer: Writer, sample: Sample, rate: int, generator: torch.Generator) -> search.Found:
        """Speak what `writer` has read; verifiers judge it against `sample`."""
        if self.kind == "direct":
            return search.best_of_n(writer, 1, (), generator)
        outcome = [self._verifier(name, sample, rate) for name in self.outcome]
        if self.kind == "orm":
            return search.best_of_n(writer, self.n, outcome, generator)
        process, beam = self._verifier(self.process, sample, rate), search.Beam(self.step, self.beams, self.samples)
        if self.kind == "prm":
            return search.process_beam(writer, beam, process, generator)
        return search.partial_prm(writer, beam, process, outcome, generator, self.seconds, self.copies)

    @staticmethod
    def _verifier(name: str, sample: Sample, rate: int) -> search.Verifier:
        return search.Verifier(name, verifiers.named(name, sample, rate))
