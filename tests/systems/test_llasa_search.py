"""Search over candidates, on toy writers whose right answer is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from ttsbench.systems.llasa import decoding, search
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer

END = 10


@dataclass
class Sums:
    """A toy state: the sum of what every row has said. Shows that rows are copied and reordered rightly."""

    sums: Tensor

    def fork(self, rows: int, capacity: int) -> Sums:
        return Sums(self.sums.expand(rows).clone())

    def select(self, rows: Tensor, capacity: int | None = None) -> Sums:
        return Sums(self.sums[rows].clone())


class Dice:
    """Says digits 0 to 9, all alike likely, and ends with a chance of `over`; the sound is the digits."""

    width, frame_rate = 1, 10.0

    def __init__(self, over: float = 0.0, limit: int = 40) -> None:
        self.over, self.limit, self.begun = over, limit, 0

    def begin(self) -> tuple[Sums, Tensor]:
        self.begun += 1
        return Sums(torch.zeros(1)), torch.zeros(1, 1)

    def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        assert torch.equal(hidden[:, 0], frames[:, :, 0].sum(dim=1).float())  # every row kept its own past
        chances = torch.full((len(hidden), END + 1), (1 - self.over) / END)
        chances[:, END] = self.over
        drawn = torch.multinomial(chances, 1, generator=generator)
        return drawn, drawn[:, 0] == END

    def read(self, frames: Tensor, state: Sums) -> Tensor:
        state.sums += frames[:, 0]
        return state.sums[:, None].clone()

    def audio(self, frames: Tensor) -> np.ndarray:
        return frames[:, 0].numpy().astype(np.float32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


MEAN = search.Verifier("mean", lambda sound: float(sound.mean()))
EVEN = search.Verifier("even", lambda sound: float((sound % 2 == 0).mean()))


def test_best_of_n_keeps_the_best_of_one_batch() -> None:
    writer = Dice(over=0.1)
    found = search.best_of_n(writer, 30, (MEAN,), seeded())
    means = [float(c.frames.float().mean()) if len(c.frames) else -math.inf for c in found.candidates]
    assert len(means) == 30
    assert found.best.scores["mean"] == pytest.approx(max(means))
    np.testing.assert_array_equal(found.audio, found.best.frames[:, 0].numpy())
    assert writer.begun == 1  # the prompt is read once
    ends = sum(len(c.frames) < writer.limit for c in found.candidates)
    assert found.cost.frames == sum(len(c.frames) for c in found.candidates) + ends  # an end is drawn too
    assert found.cost.decodes == 30
    assert found.cost.calls == {"mean": sum(len(c.frames) > 0 for c in found.candidates)}


def test_one_candidate_asks_no_verifier_and_more_only_help() -> None:
    single = search.best_of_n(Dice(0.1), 1, (MEAN,), seeded(4))
    assert single.cost.calls == {}
    assert single.cost.decodes == 1
    scores = []
    for n in (2, 8, 32):
        runs = [search.best_of_n(Dice(limit=12), n, (MEAN,), seeded(s)).best.scores["mean"] for s in range(6)]
        scores.append(np.mean(runs))
    assert scores == sorted(scores)


def test_ties_go_to_the_next_verifier() -> None:
    flat = search.Verifier("flat", lambda _: 1.0)
    found = search.best_of_n(Dice(limit=5), 20, (flat, EVEN), seeded())
    assert found.best.scores["even"] == max(c.scores["even"] for c in found.candidates)


def test_the_beam_climbs_where_sampling_drifts() -> None:
    beam = search.Beam(step=2, beams=3, samples=5)
    found = search.process_beam(Dice(limit=12), beam, MEAN, seeded())
    assert found.best.scores["mean"] == pytest.approx(float(found.audio.mean()))
    assert found.cost.frames == 12 * 15
    assert found.cost.decodes == 6 * 15  # the last step's scores are not asked for again
    sampled = search.best_of_n(Dice(limit=12), 15, (MEAN,), seeded())  # as many frames
    assert sampled.cost.frames == found.cost.frames
    assert found.best.scores["mean"] > sampled.best.scores["mean"] + 0.5


def test_a_beam_step_keeps_exactly_the_best() -> None:
    writer, seen = Dice(limit=40), list[float]()

    def note(sound: np.ndarray) -> float:
        seen.append(float(sound.mean()))
        return seen[-1]

    beam = search.Beam(step=3, beams=2, samples=4)
    live, ended = search._search(writer, beam, search.Verifier("note", note), 3, seeded(), decoding.Cost())
    assert len(seen) == 8
    assert not ended
    np.testing.assert_allclose(live.frames[:, :, 0].float().mean(dim=1), sorted(seen)[-1:-3:-1])


def test_beams_that_end_compete_on() -> None:
    class Short(Dice):
        """Ends after four digits whatever they are."""

        def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            drawn, _ = super().next(hidden, frames, generator)
            return drawn, torch.full((len(drawn),), frames.shape[1] >= 4)

    found = search.process_beam(Short(), search.Beam(step=3, beams=2, samples=4), MEAN, seeded())
    assert [len(c.frames) for c in found.candidates] == [4, 4]
    assert all(c.ended for c in found.candidates)


def test_partial_search_fixes_the_head_and_leaves_the_rest_free() -> None:
    """The head's digits decide one score, the tail's the other: both rise, as in the paper's Table 2."""
    head = search.Verifier("head", lambda sound: float(sound[:10].mean()))
    tail = search.Verifier("tail", lambda sound: float(sound[10:].mean()) if sound.size > 10 else -math.inf)
    beam = search.Beam(step=2, beams=8, samples=4)

    def mean(outcome: list[search.Verifier], part: slice) -> float:
        runs = [search.partial_prm(Dice(limit=20), beam, head, outcome, seeded(s), seconds=1.0) for s in range(8)]
        assert all(len(run.candidates) == 8 for run in runs)
        return float(np.mean([run.audio[part].mean() for run in runs]))

    first, rest = slice(0, 10), slice(10, None)
    assert mean([head], first) > 7.0  # of digits with a mean of 4.5
    assert abs(mean([head], rest) - 4.5) < 1.0
    assert mean([tail, head], first) > 6.5
    assert mean([tail, head], rest) > 5.3


def test_copies_multiply_the_complete_candidates() -> None:
    beam = search.Beam(step=2, beams=3, samples=2)
    found = search.partial_prm(Dice(limit=9), beam, MEAN, (EVEN,), seeded(), seconds=0.4, copies=4)
    assert len(found.candidates) == 12
    heads = {tuple(c.frames[:4, 0].tolist()) for c in found.candidates}
    assert len(heads) <= 3
    assert found.cost.frames == 4 * 6 + 5 * 12


def test_silence_is_never_judged_and_never_wins() -> None:
    found = search.best_of_n(Dice(over=0.5), 12, (search.Verifier("short", lambda s: -float(len(s))),), seeded())
    assert any(len(c.frames) == 0 for c in found.candidates)
    assert len(found.best.frames) == min(len(c.frames) for c in found.candidates if len(c.frames))


def test_a_real_cache_serves_the_search() -> None:
    """With a transformer behind it, every kept candidate's state equals reading it afresh."""
    shape = Shape(dim=16, layers=2, heads=2, hidden=32, rope=Rope())
    torch.manual_seed(0)
    net, table = Transformer(shape).eval(), torch.randn(END, 16)
    prompt = torch.randn(1, 5, 16)

    class Net(Dice):
        @torch.no_grad()
        def begin(self) -> tuple[Cache, Tensor]:  # type: ignore[override]
            cache = Cache(shape, 1, 5)
            return cache, net(prompt, cache=cache)[:, -1]

        @torch.no_grad()
        def next(self, hidden: Tensor, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            whole = torch.cat([prompt.expand(len(frames), -1, -1), table[frames[:, :, 0]]], dim=1)
            torch.testing.assert_close(hidden, net(whole)[:, -1], atol=1e-4, rtol=1e-4)
            drawn = torch.randint(0, END, (len(hidden), 1), generator=generator)
            return drawn, (drawn[:, 0] == 7) & (frames.shape[1] > 2)

        @torch.no_grad()
        def read(self, frames: Tensor, state: Cache) -> Tensor:  # type: ignore[override]
            return net(table[frames], cache=state)[:, -1]

    found = search.partial_prm(Net(limit=14), search.Beam(3, 4, 2), MEAN, (EVEN, MEAN), seeded(), seconds=0.6)
    assert len(found.candidates) == 4


def test_chunks_follow_the_thresholds_and_lose_no_word() -> None:
    words = "one two three, four five six. seven eight nine ten; eleven twelve thirteen, "
    for length in (1, 99, 100, 101, 200, 201, 305, 900):
        text = (words * 20)[:length].strip()
        pieces = search.chunks(text)
        assert len(pieces) == max(1, math.ceil(len(text) / 100))
        assert " ".join(pieces).split() == text.split()
    assert search.chunks("a" * 50 + ", " + "b" * 60) == ["a" * 50 + ",", "b" * 60]
    assert search.chunks("a b") == ["a b"]
    assert [len(piece) for piece in search.chunks("字" * 150)] == [75, 75]
    assert search.chunks("好" * 70 + "。" + "字" * 60) == ["好" * 70 + "。", "字" * 60]


def test_pieces_are_joined_with_their_costs() -> None:
    found = [search.best_of_n(Dice(limit=5), 2, (MEAN,), seeded(s)) for s in (1, 2)]
    sound, cost = search.joined(found)
    assert sound.shape == (10,)
    assert (cost.frames, cost.decodes, cost.calls) == (20, 4, {"mean": 4})
