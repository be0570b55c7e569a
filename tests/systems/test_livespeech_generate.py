"""LiveSpeech speaks frame by frame: what it streams is what a full pass would say, and it always ends."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from ttsbench.systems.livespeech.design import Design
from ttsbench.systems.livespeech.generate import Sampling, choose, forbidden, frames
from ttsbench.systems.livespeech.loss import delay
from ttsbench.systems.livespeech.model import LiveSpeech, Memory

DESIGN = Design(
    codebooks=(6, 5, 6, 4), features=12, symbols=9, frame_rate=50.0, dim=32, heads=4, hidden=48, shared_layers=2,
    group_layers=2, groups=2, enrolled=5, encoder_dim=16, encoder_layers=1, encoder_heads=2, encoder_hidden=24,
    dropout=0.0,
)  # fmt: skip
GREEDY = Sampling(sampled=0)


@pytest.fixture(scope="module")
def model() -> LiveSpeech:
    torch.manual_seed(0)
    return LiveSpeech(DESIGN).eval()


@pytest.fixture(scope="module")
def memory(model: LiveSpeech) -> Memory:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        return model.remember(torch.randn(1, 9, 12, generator=generator), torch.tensor([[1, 2, 3]]))


def speak(model: LiveSpeech, memory: Memory, sampling: Sampling, seed: int = 0, **more: Any) -> torch.Tensor:
    return torch.stack(list(frames(model, memory, 3, sampling, torch.Generator().manual_seed(seed), **more)))


@torch.no_grad()
def test_every_streamed_frame_is_what_a_full_pass_finds_likeliest(model: LiveSpeech, memory: Memory) -> None:
    codes = speak(model, memory, GREEDY)
    assert len(codes) > 5
    grid = delay(codes[None], torch.tensor([len(codes)]), DESIGN.pad, DESIGN.eos)
    logits = model(grid[:, :-1], memory).masked_fill(forbidden(DESIGN), -1e4)
    for q in range(4):
        said = logits[0, q : q + len(codes), q]
        if q == 0:
            said[:, DESIGN.eos] = -1e4  # the end is not chosen among the codes
        torch.testing.assert_close(said.gather(1, codes[:, q : q + 1])[:, 0], said.amax(-1), atol=1e-4, rtol=1e-4)


def test_a_frame_leaves_as_soon_as_its_last_codebook_is_known(model: LiveSpeech, memory: Memory) -> None:
    steps = 0
    original = model.forward

    def counting(*args: object, **kwargs: object) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return original(*args, **kwargs)  # type: ignore[arg-type]

    model.forward = counting  # type: ignore[method-assign,assignment]
    try:
        for index, _ in enumerate(frames(model, memory, 3, Sampling(), torch.Generator())):
            assert steps == index + 4  # codebooks - 1 steps of delay
            if index == 6:
                break
    finally:
        model.forward = original  # type: ignore[method-assign]


def test_the_seed_alone_decides(model: LiveSpeech, memory: Memory) -> None:
    one, again, other = (speak(model, memory, Sampling(), seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert one.shape != other.shape or not torch.equal(one, other)
    assert all(bool((one[:, q] < size).all()) for q, size in enumerate(DESIGN.codebooks))


LONG = {"history": torch.zeros(30, 4, dtype=torch.long)}


@pytest.mark.parametrize(
    ("push", "more", "expected"),
    [(-100.0, {}, 122), (100.0, {}, 6), (100.0, LONG, 6), (100.0, {**LONG, "told": 2}, 2), (-100.0, LONG, 92)],
)
def test_speech_ends_by_itself_or_at_the_cap(
    model: LiveSpeech, memory: Memory, push: float, more: dict[str, Any], expected: int
) -> None:
    """`push` moves the end-of-speech symbol: never (the cap of 50 * (2 + 0.15 * 3) frames), or at once (the least, also
    after a slow history: what is new is always said).
    """
    original = model.read_out

    def pushed(streams: torch.Tensor) -> torch.Tensor:
        logits = original(streams)
        logits[:, :, 0, DESIGN.eos] += push
        return logits

    model.read_out = pushed  # type: ignore[method-assign]
    try:
        assert len(speak(model, memory, Sampling(), **more)) == expected
    finally:
        model.read_out = original  # type: ignore[method-assign]


@pytest.mark.parametrize(("end", "expected"), [(0.5, 122), (0.2, 6)])
def test_the_end_is_never_drawn_by_chance(model: LiveSpeech, memory: Memory, end: float, expected: int) -> None:
    """An end of probability 0.3 in every step would cut most speech off within ten frames if it were drawn."""
    original = model.read_out

    def unsure(streams: torch.Tensor) -> torch.Tensor:
        logits = original(streams).masked_fill(forbidden(DESIGN), -1e4)
        logits[:, :, 0, DESIGN.eos] = -1e4
        logits[:, :, 0, DESIGN.eos] = logits[:, :, 0].logsumexp(-1) + math.log(0.3 / 0.7)
        return logits

    model.read_out = unsure  # type: ignore[method-assign]
    try:
        assert len(speak(model, memory, Sampling(end=end))) == expected
    finally:
        model.read_out = original  # type: ignore[method-assign]


def test_history_is_continued_and_not_said_again(model: LiveSpeech, memory: Memory) -> None:
    whole = speak(model, memory, GREEDY)
    rest = speak(model, memory, GREEDY, history=whole[:4])
    assert torch.equal(rest, whole[4:])


def test_choices_stay_in_the_top_k_and_late_codebooks_are_likeliest() -> None:
    logits = torch.arange(8.0).repeat(3, 1)
    seen = torch.stack(
        [choose(logits, Sampling(top_k=3, sampled=2), torch.Generator().manual_seed(i)) for i in range(60)]
    )
    assert set(seen[:, 0].tolist()) == set(seen[:, 1].tolist()) == {5, 6, 7}
    assert set(seen[:, 2].tolist()) == {7}
    assert choose(logits, Sampling(temperature=0.0), torch.Generator()).tolist() == [7, 7, 7]


def test_impossible_symbols_are_forbidden() -> None:
    table = forbidden(DESIGN)
    assert table.sum(-1).tolist() == [1, 3, 2, 4]
    assert not table[0, DESIGN.eos]
    assert forbidden(dataclasses.replace(DESIGN, groups=4)).equal(table)


@torch.no_grad()
def test_guidance_moves_every_logit_away_from_what_is_said_without_the_text(model: LiveSpeech, memory: Memory) -> None:
    history = torch.tensor([[1, 2, 3, 0], [0, 4, 5, 1]])
    codes = speak(model, memory, dataclasses.replace(GREEDY, guidance=1.7), history=history)
    whole = torch.cat([history, codes])
    rows = delay(whole[None], torch.tensor([len(whole)]), DESIGN.pad, DESIGN.eos)[:, :-1]
    without = Memory(memory.vectors[:, : DESIGN.enrolled])  # the same voice, and no text at all
    told, untold = (model(rows, given).masked_fill(forbidden(DESIGN), -1e4) for given in (memory, without))
    logits = untold + 1.7 * (told - untold)
    logits[..., 0, DESIGN.eos] = -1e4
    for q in range(4):
        said = logits[0, q + 2 : q + len(whole), q]
        torch.testing.assert_close(said.gather(1, codes[:, q : q + 1])[:, 0], said.amax(-1), atol=1e-3, rtol=1e-4)
    assert not torch.equal(codes, speak(model, memory, GREEDY, history=history)[: len(codes)])


def test_guidance_of_one_is_no_guidance(model: LiveSpeech, memory: Memory) -> None:
    almost = speak(model, memory, Sampling(guidance=1 + 1e-9), seed=5)
    assert torch.equal(almost, speak(model, memory, Sampling(), seed=5))
