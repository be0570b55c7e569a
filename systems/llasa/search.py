"""Thinking longer to speak better: search over candidate utterances, steered by verifiers (paper section 3.3).

    best_of_n      N whole utterances, the best is kept (outcome reward, ORM)
    process_beam   a beam search that scores the sound so far every half second (process reward, PRM)
    partial_prm    the beam search for the first seconds only, then plain sampling and an outcome reward
    chunks         long texts in pieces (the paper's test-hard row)

The authors' search code was never released: step, beams, samples and the two seconds are reported, everything else
is our reading (papers/llasa.md 4.3), marked "(our choice)" below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ttsbench.systems.llasa.decoding import Batch, Candidate, Cost, Writer, extend, start, take

SLICE = 50  # frames of room added at a time while candidates are finished


@dataclass(frozen=True)
class Verifier:
    """A named judge of sound: float32 (n,) at the writer's rate to a score, higher is better.

    What cannot be judged scores -inf: `score` may return that, and silence of no samples is never handed to it.
    """

    name: str
    score: Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Beam:
    """The paper's beam search: `step` frames (25 are 0.5 s), `beams` kept, `samples` continuations of each."""

    step: int = 25
    beams: int = 16
    samples: int = 16


@dataclass(frozen=True)
class Found:
    """What a search gave: the chosen candidate, its sound, every complete candidate, and what it cost."""

    best: Candidate
    audio: np.ndarray
    candidates: list[Candidate]
    cost: Cost


def judge(writer: Writer, candidates: Sequence[Candidate], verifiers: Sequence[Verifier], cost: Cost) -> None:
    """Decode each candidate once and note the scores it does not have yet."""
    for candidate in candidates:
        wanted = [verifier for verifier in verifiers if verifier.name not in candidate.scores]
        if not wanted:
            continue
        sound = writer.audio(candidate.frames)
        cost.decodes += 1
        for verifier in wanted:
            candidate.scores[verifier.name] = -math.inf
            if sound.size:
                candidate.scores[verifier.name] = float(verifier.score(sound))
                cost.calls[verifier.name] = cost.calls.get(verifier.name, 0) + 1


def choose(candidates: Sequence[Candidate], verifiers: Sequence[Verifier]) -> Candidate:
    """The best by the first verifier, ties by the next ones (our choice), then by order."""
    return max(candidates, key=lambda candidate: tuple(candidate.scores[verifier.name] for verifier in verifiers))


def finish(writer: Writer, batch: Batch, generator: torch.Generator, cost: Cost) -> list[Candidate]:
    """Sample every row to its end; complete candidates in the order of the rows."""
    names = list(range(len(batch.hidden)))
    done: dict[int, Candidate] = {}
    while names:
        room = batch.frames.shape[1] + SLICE
        batch, place, ended = extend(writer, take(batch, list(range(len(names))), room), SLICE, generator, cost)
        done |= {names[row]: candidate for row, candidate in ended.items()}
        names = [names[row] for row in place]
    return [done[name] for name in sorted(done)]


def best_of_n(writer: Writer, n: int, verifiers: Sequence[Verifier], generator: torch.Generator) -> Found:
    """Sample `n` whole utterances as one batch; keep the best. With one utterance no verifier is asked."""
    cost = Cost()
    candidates = finish(writer, start(writer, n, 0), generator, cost)
    return _found(writer, candidates, verifiers if n > 1 else (), cost)


def process_beam(writer: Writer, beam: Beam, verifier: Verifier, generator: torch.Generator) -> Found:
    """Beam search to the end, scored by the sound so far; the best beam that ended."""
    cost = Cost()
    _, ended = _search(writer, beam, verifier, writer.limit, generator, cost)
    return _found(writer, ended, (verifier,), cost)


def partial_prm(
    writer: Writer,
    beam: Beam,
    process: Verifier,
    outcome: Sequence[Verifier],
    generator: torch.Generator,
    seconds: float = 2.0,
    copies: int = 1,
) -> Found:
    """Beam search for the first `seconds`, then each beam sampled to its end `copies` times; the best by `outcome`.

    With `outcome=(process,)` this is the paper's partial PRM; with an error rate first, partial PRM + ORM.
    """
    cost = Cost()
    live, ended = _search(writer, beam, process, round(seconds * writer.frame_rate), generator, cost)
    rows = [row for row in range(len(live.hidden)) for _ in range(copies)]
    candidates = ended + finish(writer, take(live, rows, live.frames.shape[1]), generator, cost)
    return _found(writer, candidates, outcome, cost)


def _found(writer: Writer, candidates: list[Candidate], verifiers: Sequence[Verifier], cost: Cost) -> Found:
    judge(writer, candidates, verifiers, cost)
    best = choose(candidates, verifiers)
    if not verifiers:
        cost.decodes += 1  # a search has decoded its candidates already
    return Found(best, writer.audio(best.frames), candidates, cost)


def _search(
    writer: Writer, beam: Beam, verifier: Verifier, frames: int, generator: torch.Generator, cost: Cost
) -> tuple[Batch, list[Candidate]]:
    """Search until `frames` are written or all beams have ended: the live beams, and those that ended among the best.

    Our choices: the first step draws beams * samples candidates from the prompt, and a beam that ended competes on
    with its score.
    """
    batch, kept = start(writer, beam.beams * beam.samples, beam.step), list[Candidate]()
    while True:
        steps = min(beam.step, frames - batch.frames.shape[1])
        batch, _, ended = extend(writer, batch, steps, generator, cost)
        going = [Candidate(row) for row in batch.frames]
        pool = kept + list(ended.values()) + going
        judge(writer, pool, (verifier,), cost)
        pool.sort(key=lambda candidate: -candidate.scores[verifier.name])
        best = pool[: beam.beams]
        kept = [candidate for candidate in best if candidate.ended]
        alive = [row for candidate in best for row, other in enumerate(going) if other is candidate]
        written = batch.frames.shape[1]
        if not alive or written >= frames:
            return take(batch, alive, written), kept
        rows = [row for row in alive for _ in range(beam.samples)]
        batch = take(batch, rows, written + beam.step)


# --- long texts ---------------------------------------------------------------------------------------------------


def chunks(text: str, size: int = 100) -> list[str]:
    """One piece for every started `size` characters, cut at the punctuation nearest to equal lengths (our choice).

    Where no punctuation stands within a third of a piece, at the nearest space; where there is none, right there.
    """
    text = " ".join(text.split())
    pieces: list[str] = []
    for left in range(max(1, math.ceil(len(text) / size)), 1, -1):
        at = _cut(text, len(text) / left)
        if not text[:at].strip() or not text[at:].strip():
            break
        pieces.append(text[:at].strip())
        text = text[at:].strip()
    return [*pieces, text]


def _cut(text: str, wanted: float) -> int:
    marks = [match.end() for match in re.finditer(r"[.!?;:,](?=\s)|[。！？；：，、]", text)]
    near = [at for at in marks if abs(at - wanted) <= wanted / 3]
    near = near or [match.start() for match in re.finditer(r"\s", text) if abs(match.start() - wanted) <= wanted / 2]
    return min(near or [round(wanted)], key=lambda at: abs(at - wanted))


def joined(found: Sequence[Found]) -> tuple[np.ndarray, Cost]:
    """The pieces of a chunked text as one sound, and what they cost together."""
    return np.concatenate([piece.audio for piece in found]), sum((piece.cost for piece in found), Cost())
