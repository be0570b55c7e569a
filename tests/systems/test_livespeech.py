"""LiveSpeech: the delay pattern, the adaptive weights, the group heads and the cache do what the paper says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from ttsbench.systems.livespeech.design import PAPER, PAPER_GROUPS, Design, account
from ttsbench.systems.livespeech.loss import adaptive_weights, code_loss, delay, undelay
from ttsbench.systems.livespeech.model import CodeTables, LiveSpeech

TINY = Design(
    codebooks=(6, 5, 6, 4), features=12, symbols=9, dim=32, heads=4, hidden=48, shared_layers=2, group_layers=2,
    enrolled=5, encoder_dim=16, encoder_layers=1, encoder_heads=2, encoder_hidden=24, dropout=0.0,
)  # fmt: skip
DESIGNS = {
    "paper's positions, no groups": TINY,
    "two groups": dataclasses.replace(TINY, groups=2),
    "four groups, rotary, digits": dataclasses.replace(
        TINY, groups=4, spacing=4.0, codebooks=(6, 6, 6, 6), digits=((3, 2),) * 4, text_layers=1
    ),
}
LENGTHS = torch.tensor([7, 4])


def build(design: Design) -> LiveSpeech:
    torch.manual_seed(0)
    return LiveSpeech(design).eval()


def codes_for(design: Design, frames: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(0, size, (2, frames), generator=generator) for size in design.codebooks], dim=-1)


def conditions(design: Design) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    symbols = torch.randint(1, design.symbols, (2, 6), generator=generator)
    symbols[1, 4:] = 0
    return torch.randn(2, 9, design.features, generator=generator), symbols


def test_delay_puts_codebook_q_q_steps_later_and_undelay_brings_it_back() -> None:
    codes = torch.tensor([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 0]]])
    grid = delay(codes, torch.tensor([2, 1]), pad=90, eos=91)
    assert grid[0].tolist() == [[1, 90, 90], [4, 2, 90], [91, 5, 3], [90, 90, 6]]
    assert grid[1].tolist() == [[7, 90, 90], [91, 8, 90], [90, 90, 9], [90, 90, 90]]
    codes = codes_for(TINY)
    assert torch.equal(undelay(delay(codes, torch.tensor([7, 7]), TINY.pad, TINY.eos), 7), codes)


def test_weights_equal_the_hand_computed_case() -> None:
    surprise = -torch.tensor([[[0.5, 0.25, 0.8, 0.1]]]).log()
    weights = adaptive_weights(surprise, strength=0.1)[0, 0]
    expected = [1.0, 0.5**0.1, (0.5 * 0.25) ** 0.1, (0.5 * 0.25 * 0.8) ** 0.1]
    torch.testing.assert_close(weights, torch.tensor(expected))
    # p > 0.4 drops codebooks 0 and 2; they still count in the product; the largest survivor becomes 1
    kept = adaptive_weights(surprise, strength=0.1, p_max=0.4)[0, 0]
    torch.testing.assert_close(kept, torch.tensor([0.0, 1.0, 0.0, 0.2**0.1]))
    assert adaptive_weights(-torch.full((1, 1, 3), 0.9).log(), 0.1, p_max=0.5).tolist() == [[[0.0, 0.0, 0.0]]]


def test_weights_at_chance_level_fall_as_the_paper_says() -> None:
    chance = torch.full((1, 1, 16), math.log(1024))
    torch.testing.assert_close(adaptive_weights(chance, 0.1)[0, 0], 0.5 ** torch.arange(16.0))
    assert adaptive_weights(chance, 0.05)[0, 0, 15] == pytest.approx(0.5**7.5, rel=1e-4)


def test_weights_start_at_one_never_rise_and_carry_no_gradient() -> None:
    surprise = torch.rand(3, 5, 16).mul(4).requires_grad_()
    weights = adaptive_weights(surprise, 0.1)
    assert not weights.requires_grad
    assert torch.equal(weights[..., 0], torch.ones(3, 5))
    assert bool((weights.diff(dim=-1) <= 0).all())
    (weights * surprise).sum().backward()
    torch.testing.assert_close(surprise.grad, weights)


def loss_by_hand(logits: torch.Tensor, codes: torch.Tensor, eos: int, strength: float) -> float:
    """The definition, code by code."""
    total, count = 0.0, 0
    logs = logits.log_softmax(-1)
    for b, length in enumerate(LENGTHS.tolist()):
        total -= float(logs[b, length, 0, eos])
        for t in range(length):
            product = 1.0
            for q in range(codes.shape[2]):
                p = float(logs[b, t + q, q, codes[b, t, q]].exp())
                total -= product**strength * math.log(p)
                product *= p
                count += 1
    return total / count


@pytest.mark.parametrize("strength", [0.0, 0.05, 0.1])
def test_loss_equals_the_definition_and_pads_do_not_count(strength: float) -> None:
    codes = codes_for(TINY)
    logits = torch.randn(2, 10, 4, TINY.vocabulary)
    loss, plain = code_loss(logits, codes, LENGTHS, TINY.eos, strength)
    assert float(loss) == pytest.approx(loss_by_hand(logits, codes, TINY.eos, strength), rel=1e-5)
    changed, codes_changed = logits.clone(), codes.clone()
    changed[1, 8:] += torch.randn(2, 4, TINY.vocabulary)
    codes_changed[1, 4:] = 0
    assert float(code_loss(changed, codes_changed, LENGTHS, TINY.eos, strength)[0]) == pytest.approx(float(loss))
    assert plain.shape == (4,)


def test_lambda_zero_is_the_plain_mean_cross_entropy() -> None:
    codes, logits = codes_for(TINY), torch.randn(2, 10, 4, TINY.vocabulary)
    lengths = torch.tensor([7, 7])
    spoken = undelay(logits, 7)
    ends = F.cross_entropy(logits[:, 7, 0], torch.full((2,), TINY.eos), reduction="sum")
    expected = F.cross_entropy(spoken.flatten(0, 2), codes.flatten(), reduction="sum") + ends
    loss, _ = code_loss(logits, codes, lengths, TINY.eos, strength=0.0)
    torch.testing.assert_close(loss, expected / (2 * 7 * 4))


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@torch.no_grad()
def test_step_by_step_equals_the_teacher_forced_pass(design: Design) -> None:
    model = build(design)
    features, symbols = conditions(design)
    rows = delay(codes_for(design), LENGTHS, design.pad, design.eos)[:1, :-1]
    memory = model.remember(features[:1], symbols[:1])
    whole = model(rows, memory)
    state = model.begin(capacity=10)
    steps = [model(rows[:, :0], memory, state=state)]
    steps += [model(rows[:, i : i + 1], memory, state=state) for i in range(rows.shape[1])]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@torch.no_grad()
def test_batching_and_padding_change_nothing(design: Design) -> None:
    model = build(design)
    features, symbols = conditions(design)
    heard = torch.tensor([9, 6])
    mask = torch.arange(9)[None] < heard[:, None]
    rows = delay(codes_for(design), LENGTHS, design.pad, design.eos)[:, :-1]
    together = model(rows, model.remember(features, symbols, mask))
    for b in range(2):
        memory = model.remember(features[b : b + 1, : heard[b]], symbols[b : b + 1, : (symbols[b] != 0).sum()])
        torch.testing.assert_close(model(rows[b : b + 1], memory)[0], together[b], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_group_speaks_for_its_own_codebooks_only() -> None:
    design = DESIGNS["two groups"]
    model = build(design)
    memory = model.remember(*conditions(design))
    streams = model.split(torch.randn(2, 8, design.dim))  # (batch * groups, ...): rows 1 and 3 are group 1
    before = model.read_out(model.run_groups(streams, memory, None))
    streams[[1, 3], 2] += torch.randn(2, design.dim)
    after = model.read_out(model.run_groups(streams, memory, None))
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert torch.equal(before[:, :2], after[:, :2])
    assert bool(((before - after)[:, 2:, 2:, :4].abs().amax(-1) > 1e-6).all())


@torch.no_grad()
def test_groups_share_weights_and_cost_only_their_maps() -> None:
    alone, grouped = build(TINY), build(DESIGNS["two groups"])
    sizes = [sum(p.numel() for p in model.parameters()) for model in (alone, grouped)]
    assert sizes[1] - sizes[0] == 2 * TINY.dim**2
    assert grouped.begin(capacity=4).grouped.own[0][0].shape[0] == 2


def test_published_sizes_are_accounted_for() -> None:
    with torch.device("meta"):
        models = [LiveSpeech(PAPER), LiveSpeech(PAPER_GROUPS)]
    counts = [sum(p.numel() for p in model.parameters()) for model in models]
    assert counts[0] == pytest.approx(581e6, rel=0.002)
    assert counts[1] - counts[0] == 8 * 1536**2  # 18.9M; the paper's 615M leave 15M more unexplained
    for design, count in zip((PAPER, PAPER_GROUPS), counts, strict=True):
        assert count == sum(account(design).values())
    parts = account(PAPER)
    assert parts["decoder layers"] == 12 * 16 * 1536**2
    assert parts["speech encoder"] + parts["enrollment map"] == pytest.approx(77e6, rel=0.01)


@torch.no_grad()
def test_any_prompt_becomes_64_vectors_on_the_paper_design() -> None:
    small = dataclasses.replace(PAPER, dim=32, heads=2, hidden=32, encoder_dim=32, encoder_layers=2, encoder_hidden=32)
    model = build(small)
    short, long = torch.randn(1, 225, 128), torch.randn(1, 375, 128)
    assert model.enrollment(short).shape == model.enrollment(long).shape == (1, 64, 32)
    assert not torch.allclose(model.enrollment(short), model.enrollment(short[:, :200]))
    memory = model.join(model.enrollment(short), torch.ones(1, 11, dtype=torch.long))
    assert memory.vectors.shape == (1, 75, 32)


@torch.no_grad()
def test_folded_tables_say_the_same_and_are_plain() -> None:
    design = DESIGNS["four groups, rotary, digits"]
    model = build(design)
    rows = delay(codes_for(design), LENGTHS, design.pad, design.eos)[:, :-1]
    memory = model.remember(*conditions(design))
    before = model(rows, memory)
    torch.testing.assert_close(model.fold()(rows, memory), before, atol=1e-5, rtol=1e-5)
    assert not any("digits" in name for name in model.state_dict())
    table = CodeTables(design, 1.0)
    near, far = table()[0, 1] - table()[0, 0], table()[0, 5] - table()[0, 0]  # one digit apart, two digits apart
    assert bool((near[:, None] if near.dim() == 0 else near).norm() > 0)
    torch.testing.assert_close(table()[0, 4] - table()[0, 3], near)  # the same digit moves: the same step
    assert not torch.allclose(far, near)


def test_bad_designs_are_refused_and_designs_survive_json() -> None:
    with pytest.raises(ValueError, match="groups"):
        dataclasses.replace(TINY, groups=3)
    with pytest.raises(ValueError, match="digits"):
        dataclasses.replace(TINY, digits=((2, 2),) * 4)
    assert Design.from_dict(TINY.to_dict()) == TINY
