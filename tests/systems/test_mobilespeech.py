"""MobileSpeech: what tells it apart (masks, level order, passes, lengths, the prompt's two ways in)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ttsbench.systems.mobilespeech import masking
from ttsbench.systems.mobilespeech.decoding import Settings, speak
from ttsbench.systems.mobilespeech.design import PAPER, Design
from ttsbench.systems.mobilespeech.loss import Batch, draw_masks, losses
from ttsbench.systems.mobilespeech.model import MobileSpeech, hide_from, spread
from ttsbench.systems.mobilespeech.train import prepared, restore, save
from ttsbench.systems.training.data import TtsBatch

TINY = Design(
    phones=12,
    levels=((16,), (4, 3), (8,)),
    frame_rate=50.0,
    dim=32,
    heads=2,
    hidden=48,
    text_hidden=48,
    text_layers=1,
    text_kernel=3,
    prompt_layers=1,
    duration_layers=1,
    decoder_layers=2,
    kernel=3,
    dropout=0.0,
)


@pytest.fixture(scope="module")
def model() -> MobileSpeech:
    torch.manual_seed(0)
    return MobileSpeech(TINY).eval()


def symbols(time: int, seed: int, design: Design = TINY) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, (time,), generator=generator) for size in design.columns], dim=-1)


def batch() -> Batch:
    phones = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    frames = torch.tensor([[3, 2, 4, 1], [2, 3, 0, 0]])
    codes = torch.stack([symbols(10, 1), symbols(10, 2)])
    prompt_mask = torch.tensor([[True] * 8, [False] * 2 + [True] * 6])
    return Batch(phones, frames, codes, torch.stack([symbols(8, 3), symbols(8, 4)]), prompt_mask)


# --- masks --------------------------------------------------------------------------------------------------------


def test_the_three_regimes_come_at_their_rates() -> None:
    generator, count = torch.Generator().manual_seed(0), 10000
    drawn = [masking.draw(2000, PAPER, generator) for _ in range(count)]
    whole = sum(level == 0 and bool(mask.all()) for level, mask in drawn) / count
    part = sum(level == 0 and not mask.all() for level, mask in drawn) / count
    assert whole == pytest.approx(0.5 * 0.2, abs=0.02)  # and a few partial draws that hide every frame
    assert part == pytest.approx(0.5 * 0.8, abs=0.02)
    for level in range(1, 8):  # P_rank falls: 7, 6, ... 1 of 28
        share = sum(found == level for found, _ in drawn) / count
        assert share == pytest.approx(0.5 * (8 - level) / 28, abs=0.012)
    shares = torch.tensor([float(mask.float().mean()) for level, mask in drawn if level])
    assert float(shares.mean()) == pytest.approx(2 / math.pi, abs=0.01)  # the mean of cos(u)
    assert all(mask.any() for _, mask in drawn)


def test_the_plain_sampler_treats_levels_alike() -> None:
    generator, plain = torch.Generator().manual_seed(0), replace(PAPER, plain_masks=True)
    levels = torch.tensor([masking.draw(40, plain, generator)[0] for _ in range(8000)])
    assert torch.bincount(levels).float().div(8000).sub(1 / 8).abs().max() < 0.015


def test_levels_below_stand_open_and_levels_above_are_hidden() -> None:
    hidden = torch.tensor([[True, False, True]])
    hide = hide_from(torch.tensor([1]), hidden, TINY)[0]
    assert hide[:, 0].tolist() == [False] * 3  # level 1
    assert hide[:, 1].tolist() == hide[:, 2].tolist() == [True, False, True]  # level 2, both its symbols
    assert hide[:, 3].tolist() == [True] * 3  # level 3


def test_padding_is_never_hidden_in_training(model: MobileSpeech) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        _, hidden = draw_masks(batch(), model, generator)
        assert not hidden[1, 5:].any() and hidden[:, :5].any(dim=1).all()


# --- loss ---------------------------------------------------------------------------------------------------------


def test_only_hidden_frames_of_the_level_add_to_the_loss(model: MobileSpeech) -> None:
    given, level = batch(), torch.tensor([1, 0])
    hidden = torch.zeros(2, 10, dtype=torch.bool)
    hidden[0, 2:5] = hidden[1, 1:3] = True
    parameters = [*model.heads[1].parameters()]
    before = losses(model, given, level, hidden)
    assert set(before) >= {"loss", "symbols", "durations", "level_1", "level_2"} and "level_3" not in before
    changed = given.codes.clone()
    changed[0, :, 3] = (changed[0, :, 3] + 1) % 8  # the level above
    changed[1, 5:] = 0  # padding
    assert losses(model, replace(given, codes=changed), level, hidden)["loss"] == before["loss"]
    changed = given.codes.clone()
    changed[0, 3, 1] = (changed[0, 3, 1] + 1) % 4  # a hidden symbol: a target, never an input
    assert losses(model, replace(given, codes=changed), level, hidden)["loss"] != before["loss"]
    before["loss"].backward()
    assert all(parameter.grad is not None for parameter in parameters)
    assert all(parameter.grad is None for parameter in model.heads[2].parameters())
    model.zero_grad(set_to_none=True)


def test_an_example_is_scored_alike_alone_and_padded(model: MobileSpeech) -> None:
    given, level = batch(), torch.tensor([0, 1])
    hidden = torch.zeros(2, 10, dtype=torch.bool)
    hidden[:, 1:4] = True
    alone = Batch(given.phones[1:, :2], given.frames[1:, :2], given.codes[1:, :5], given.prompt[1:, 2:])
    both = losses(model, given, level, hidden)["level_2"]
    assert both == pytest.approx(float(losses(model, alone, level[1:], hidden[1:, :5])["level_2"]), abs=1e-5)


def test_several_masks_of_a_batch_count_like_as_many_batches(model: MobileSpeech) -> None:
    given, generator = batch(), torch.Generator().manual_seed(1)
    first, second = (draw_masks(given, model, generator) for _ in range(2))
    apart = [losses(model, given, *masks) for masks in (first, second)]
    both = losses(model, given, *first, second)
    mean = (apart[0]["symbols"] + apart[1]["symbols"]) / 2
    torch.testing.assert_close(both["loss"], mean + both["durations"])


def test_a_hidden_prompt_tells_nothing_but_its_length(model: MobileSpeech) -> None:
    one, other = symbols(8, 3)[None], symbols(8, 4)[None]
    assert torch.equal(model.hear(one, None, voiceless=True)[0], model.hear(other, None, voiceless=True)[0])
    assert not torch.equal(model.hear(one, None)[0], model.hear(other, None)[0])
    given, masks = batch(), draw_masks(batch(), model, torch.Generator().manual_seed(1))
    changed = replace(given, prompt=given.prompt.flip(0))
    alike = [losses(model, each, *masks, voiceless=True)["loss"] for each in (given, changed)]
    assert alike[0] == alike[1] != losses(model, given, *masks)["loss"]


def test_guidance_moves_away_from_what_no_voice_says() -> None:
    torch.manual_seed(0)
    model = MobileSpeech(replace(TINY, prompt_durations=False)).eval()  # all speak at one pace
    phones, prompts = torch.tensor([1, 2, 3, 4]), (symbols(8, 3), symbols(8, 4))
    settings = Settings((3, 1, 1), temperature=0.5)

    def said(prompt: torch.Tensor, guidance: float) -> list[int]:
        return speak(model, phones, prompt, replace(settings, guidance=guidance), 0).flatten().tolist()

    assert said(prompts[0], 0.0) == said(prompts[1], 0.0), "without a voice, both are alike"
    assert said(prompts[0], 1.0) != said(prompts[1], 1.0)
    assert said(prompts[0], 1.0) != said(prompts[0], 4.0) != said(prompts[0], 0.0)


def test_durations_reach_the_text_encoder_at_a_tenth(model: MobileSpeech) -> None:
    text = torch.randn(1, 4, 32, requires_grad=True)
    mask, prompt = torch.ones(1, 4, dtype=torch.bool), symbols(8, 0)[None]
    model.predict_durations(text, mask, *model.hear(prompt, None)).sum().backward()
    tenth = text.grad
    direct = text.detach().clone().requires_grad_()
    model.durations(direct, mask, *model.hear(prompt, None)).sum().backward()
    assert tenth is not None and direct.grad is not None
    assert torch.allclose(tenth, 0.1 * direct.grad, atol=1e-6)


def test_training_learns_one_example() -> None:
    torch.manual_seed(0)
    small, given, generator = MobileSpeech(TINY), batch(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(small.parameters(), 3e-3)
    history = []
    for _ in range(60):
        found = losses(small, given, *draw_masks(given, small, generator))
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
        history.append(float(found["loss"]))
    assert sum(history[-10:]) < 0.6 * sum(history[:10])


# --- speaking -----------------------------------------------------------------------------------------------------


def test_counts_of_hidden_frames_follow_the_cosine() -> None:
    expected = [497, 490, 478, 461, 440, 415, 386, 353, 317, 277, 235, 191, 145, 97, 49, 0]
    assert masking.remaining(500, 16) == expected
    assert masking.remaining(500, 8) == [490, 461, 415, 353, 277, 191, 97, 0]
    assert masking.remaining(500, 1) == [0]


def test_every_level_is_finished_in_order_and_nothing_accepted_changes(model: MobileSpeech) -> None:
    seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handle = model.decoder.register_forward_hook(count)
    settings = Settings((5, 2, 1))
    codes = speak(
        model, torch.tensor([1, 2, 3, 4, 5]), symbols(9, 0), settings, 0, lambda a, b, c: seen.append((a, b.clone(), c))
    )
    handle.remove()
    assert calls == 8  # the sum of the passes
    assert [level for level, _, _ in seen] == [0] * 5 + [1] * 2 + [2]
    for level, number in enumerate(settings.passes):
        steps = [(codes_, hidden) for found, codes_, hidden in seen if found == level]
        assert [int(hidden.sum()) for _, hidden in steps] == masking.remaining(len(codes), number)
        columns = TINY.slice(level)
        for codes_, hidden in steps:
            assert torch.equal(codes_[~hidden][:, columns], codes[~hidden][:, columns])
        assert torch.equal(steps[-1][0][:, : columns.stop], codes[:, : columns.stop])
    assert all(int(codes[:, column].max()) < size for column, size in enumerate(TINY.columns))


def test_the_length_is_the_sum_of_the_durations(model: MobileSpeech) -> None:
    phones, prompt = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6]), symbols(20, 5)
    with torch.inference_mode():
        text, mask = model.text(phones[None])
        predicted = model.predict_durations(text, mask, *model.hear(prompt[None], None))[0]
    expected = int(predicted.round().clamp_min(1).sum())
    assert len(speak(model, phones, prompt, Settings((2, 1, 1)), 0)) == expected
    slow = int((predicted * 3).round().clamp_min(1).sum())
    assert len(speak(model, phones, prompt, Settings((2, 1, 1), pace=3.0), 0)) == slow


def test_the_length_regulator_repeats_each_state() -> None:
    states = torch.arange(6.0).view(2, 3, 1)
    x, mask = spread(states, torch.tensor([[2, 0, 3], [1, 1, 0]]))
    assert x[0, :, 0].tolist() == [0, 0, 2, 2, 2] and x[1, :2, 0].tolist() == [3, 4]
    assert mask.tolist() == [[True] * 5, [True] * 2 + [False] * 3]


def test_the_prompt_steers_durations_and_frames(model: MobileSpeech) -> None:
    phones = torch.tensor([[1, 2, 3, 4]])
    frames = torch.tensor([[4, 4, 4, 4]])
    text, mask = model.text(phones)
    one, two = symbols(20, 1)[None], symbols(20, 2)[None]
    hide = torch.ones(1, 16, 4, dtype=torch.bool)
    codes = torch.zeros(1, 16, 4, dtype=torch.long)

    def durations(of: MobileSpeech, prompt: torch.Tensor) -> torch.Tensor:
        return of.predict_durations(text, mask, *of.hear(prompt, None))

    def text_row(of: MobileSpeech, prompt: torch.Tensor) -> torch.Tensor:
        return of.condition(text, frames, *of.hear(prompt, None))[0]

    without = MobileSpeech(replace(TINY, cross_attention=False, prompt_durations=False)).eval()
    without.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert not torch.allclose(durations(model, one), durations(model, two), atol=1e-4)
        assert torch.equal(durations(without, one), durations(without, two))
        assert not torch.allclose(text_row(model, one), text_row(model, two), atol=1e-4)
        assert torch.equal(text_row(without, one), text_row(without, two))
        found = []
        for prompt in (one, two):  # the second way in: the prompt as a visible prefix of the decoder
            x, _, read = without.condition(text, frames, *without.hear(prompt, None))
            found.append(without.states(x, None, read, None, codes, hide))
        assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_a_level_does_not_depend_on_levels_above(model: MobileSpeech) -> None:
    phones, prompt, frames = torch.tensor([[1, 2, 3]]), symbols(12, 0)[None], torch.tensor([[5, 5, 5]])
    text, _ = model.text(phones)
    x, mask, read = model.condition(text, frames, *model.hear(prompt, None))
    for level, column in [(0, 1), (0, 3), (1, 3)]:
        one = symbols(15, 7)[None]
        two = one.clone()
        two[..., column] = 0
        hide = hide_from(torch.tensor([level]), torch.arange(15)[None] % 2 == 0, TINY)
        a, b = (model.states(x, mask, read, None, codes, hide) for codes in (one, two))
        assert torch.equal(a, b)
    below = symbols(15, 7)[None]
    changed = below.clone()
    changed[..., 0] = (changed[..., 0] + 1) % 16
    hide = hide_from(torch.tensor([1]), torch.ones(1, 15, dtype=torch.bool), TINY)
    a, b = (model.states(x, mask, read, None, codes, hide) for codes in (below, changed))
    assert not torch.allclose(a, b, atol=1e-4)


def test_the_seed_decides(model: MobileSpeech) -> None:
    phones, prompt = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6]), symbols(20, 5)
    settings = Settings((4, 2, 2))
    one, again, other = (speak(model, phones, prompt, settings, seed) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    with pytest.raises(ValueError, match="1 or more for each of 3 levels"):
        speak(model, phones, prompt, Settings((4, 1)), 0)


# --- training -----------------------------------------------------------------------------------------------------


def test_prompts_are_moved_to_the_right_and_cut_to_whole_strides() -> None:
    ones = torch.ones(2, 3).long()
    prompt = torch.zeros(2, 11, 4).long()
    prompt[0, :, 0], prompt[1, :6, 0] = torch.arange(1, 12), torch.arange(1, 7)
    given = TtsBatch(
        phones=ones,
        phone_lengths=torch.tensor([3, 3]),
        durations=ones,
        target=torch.zeros(2, 3, 4).long(),
        lengths=torch.tensor([3, 3]),
        prompt=prompt,
        prompt_lengths=torch.tensor([11, 6]),
        speakers=("a", "b"),
        ids=("1", "2"),
    )
    found = prepared(given, stride=4)
    assert found.prompt[0, :, 0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert found.prompt[1, :, 0].tolist() == [0, 0, 0, 0, 3, 4, 5, 6]
    assert found.prompt_mask is not None and found.prompt_mask.tolist() == [[True] * 8, [False] * 4 + [True] * 4]


def test_a_checkpoint_comes_back(tmp_path: Path, model: MobileSpeech) -> None:
    save(model, tmp_path / "m.safetensors", TINY, {"codec": "none"})
    again = restore(tmp_path / "m.safetensors")
    assert again.design == TINY
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name], value.to(again.state_dict()[name].dtype), atol=2e-3), name
    assert not restore(tmp_path / "m.safetensors", cross_attention=False).design.cross_attention


def test_large_matrices_are_kept_as_bytes(tmp_path: Path) -> None:
    design = replace(TINY, dim=128, hidden=256, text_hidden=128)
    torch.manual_seed(0)
    model = MobileSpeech(design).eval()
    save(model, tmp_path / "m.safetensors", design, {})
    assert (tmp_path / "m.safetensors").stat().st_size < 1.3 * sum(p.numel() for p in model.parameters())
    again = restore(tmp_path / "m.safetensors")
    phones = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        (true, _), (made, _) = model.text(phones), again.text(phones)
    assert 0 < float((made - true).abs().max()) < 0.1 * float(true.abs().max())
