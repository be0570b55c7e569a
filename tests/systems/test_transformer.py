"""The one transformer: cached decoding equals the full pass, sharing and masks change nothing that they should not."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.guide import guide_loss, hit_rate, phone_shares
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer, Watch, sinusoids

PLAIN = Shape(dim=32, layers=3, heads=4, hidden=64)
LLAMA = Shape(
    32, 3, heads=4, hidden=64, kv_heads=2, rope=Rope(5e5, factor=32.0), norm="rms", gated=True, activation="silu"
)
CROSS = Shape(dim=32, layers=3, heads=4, hidden=64, memory_dim=24, rope=Rope(), bias=True)


def build(shape: Shape) -> Transformer:
    torch.manual_seed(0)
    return Transformer(shape).eval()


@pytest.mark.parametrize("shape", [PLAIN, LLAMA], ids=["plain", "llama"])
@torch.no_grad()
def test_step_by_step_equals_the_full_pass(shape: Shape) -> None:
    model, x = build(shape), torch.randn(2, 12, 32)
    cache = Cache(shape, batch=2, capacity=12)
    parts = [model(x[:, :5], cache=cache)] + [model(x[:, i : i + 1], cache=cache) for i in range(5, 9)]
    parts.append(model(x[:, 9:], cache=cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), model(x), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="12 positions"):
        model(x[:, :1], cache=cache)


@pytest.mark.parametrize("rotary_memory", [False, True])
@torch.no_grad()
def test_cross_attention_reads_its_memory_once(rotary_memory: bool) -> None:
    model, x, memory = build(CROSS), torch.randn(2, 6, 32), torch.randn(2, 7, 24)
    mask = torch.arange(7)[None] < torch.tensor([[7], [4]])
    where = torch.arange(7) * 4.6 if rotary_memory else None
    full = model(x, memory=memory, memory_mask=mask, memory_positions=where)
    cache = Cache(CROSS, batch=2, capacity=6)
    first = model(x[:, :2], memory=memory, memory_mask=mask, memory_positions=where, cache=cache)
    rest = [model(x[:, i : i + 1], cache=cache) for i in range(2, 6)]
    torch.testing.assert_close(torch.cat([first, *rest], dim=1), full, atol=1e-5, rtol=1e-5)
    memory[1, 4:] = 9.0  # behind the mask
    torch.testing.assert_close(model(x, memory=memory, memory_mask=mask, memory_positions=where), full)
    with pytest.raises(ValueError, match="memory"):
        model(x)


@torch.no_grad()
def test_candidates_share_the_prompt_and_can_be_reordered() -> None:
    model, prompt = build(CROSS), torch.randn(1, 5, 32)
    memory, steps = torch.randn(1, 7, 24), torch.randn(3, 4, 32)
    cache = Cache(CROSS, batch=1, capacity=5)
    model(prompt, memory=memory, cache=cache)
    branches = cache.fork(3, capacity=4)
    assert branches.shared is not None
    assert branches.shared[0][0].data_ptr() == cache.own[0][0].data_ptr()
    model(steps[:, :2], cache=branches)
    branches = branches.select(torch.tensor([2, 0, 2]))
    out = model(steps[:, 2:3], cache=branches)
    whole = torch.cat([prompt.expand(3, -1, -1), steps[[2, 0, 2], :2], steps[:, 2:3]], dim=1)
    full = model(whole, memory=memory.expand(3, -1, -1))
    torch.testing.assert_close(out, full[:, -1:], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_left_padding_changes_nothing() -> None:
    model, x = build(LLAMA), torch.randn(1, 6, 32)
    padded = torch.cat([torch.randn(1, 3, 32), x], dim=1)
    mask = torch.arange(9)[None] >= 3
    positions = (torch.arange(9) - 3).clamp_min(0)
    cache = Cache(LLAMA, batch=1, capacity=9)
    first = model(padded[:, :7], mask=mask[:, :7], positions=positions[:7], cache=cache)
    last = [model(padded[:, i : i + 1], positions=positions[i : i + 1], cache=cache) for i in (7, 8)]
    torch.testing.assert_close(torch.cat([first[:, 3:], *last], dim=1), model(x), atol=1e-5, rtol=1e-5)
    assert torch.isfinite(first).all()


@torch.no_grad()
def test_causal_does_not_look_ahead_and_bidirectional_does() -> None:
    x = torch.randn(1, 8, 32)
    changed = x.clone()
    changed[:, 5] += 1
    for causal in (True, False):
        model = build(dataclasses.replace(LLAMA, causal=causal))
        same = torch.allclose(model(x)[:, :5], model(changed)[:, :5], atol=1e-6)
        assert same is causal


@torch.no_grad()
def test_rotary_positions_are_relative() -> None:
    model, x = build(LLAMA), torch.randn(2, 8, 32)
    near, far = torch.arange(8) * 1.5, torch.arange(8) * 1.5 + 40
    torch.testing.assert_close(
        model(x, positions=near), model(x, positions=far[None].expand(2, -1)), atol=1e-4, rtol=1e-4
    )
    assert not torch.allclose(model(x, positions=near), model(x), atol=1e-3)


def test_llama_scaling_matches_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="the reference for Llama 3's rotary scaling")
    scaling = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, rms_norm_eps=1e-5, rope_theta=5e5, max_position_embeddings=131072,
        rope_scaling=scaling | {"original_max_position_embeddings": 8192, "rope_theta": 5e5},
    )  # fmt: skip
    torch.manual_seed(1)
    theirs = transformers.LlamaModel(config).eval()
    ours = build(LLAMA)
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith("embed_tokens")}
    ours.load_state_dict(weights, strict=True)
    x = torch.randn(1, 40, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(inputs_embeds=x).last_hidden_state, atol=1e-5, rtol=1e-5)


def test_llama_scaling_has_a_smooth_band_between_long_and_short_waves() -> None:
    rope = Rope(theta=5e5, factor=32.0, low=1.0, high=4.0, trained=8192)
    plain, scaled = Rope(theta=5e5).frequencies(64), rope.frequencies(64)
    turns = 8192 * plain.double() / (2 * math.pi)  # full turns within the length of the training
    assert torch.equal(scaled[turns >= 4], plain[turns >= 4])
    torch.testing.assert_close(scaled[turns <= 1], plain[turns <= 1] / 32)
    band = (turns > 1) & (turns < 4)
    assert int(band.sum()) == 3
    for index in band.nonzero().flatten():
        share = (float(turns[index]) - 1) / 3
        assert float(scaled[index]) == pytest.approx(float(plain[index]) * (share + (1 - share) / 32), rel=1e-5)


def test_watched_heads_give_trainable_weights() -> None:
    model, x = build(CROSS), torch.randn(2, 5, 32)
    watch = Watch((1, 0), (2, 3))
    model(x, memory=torch.randn(2, 4, 24), watch=watch)
    assert {key: tuple(w.shape) for key, w in watch.weights.items()} == {(1, 0): (2, 5, 4), (2, 3): (2, 5, 4)}
    torch.testing.assert_close(watch.weights[1, 0].sum(-1), torch.ones(2, 5))
    shares = phone_shares(torch.tensor([1.0, 2.5, 4.0, 5.0]), 5)
    torch.testing.assert_close(shares[2], torch.tensor([0.0, 0.5, 0.5, 0.0]))
    guide_loss(watch.weights[1, 0], shares.expand(2, -1, -1)).backward()
    assert model.layers[1].cross_attn.q_proj.weight.grad.abs().sum() > 0
    assert hit_rate(shares[None], shares[None]) == 1.0
    assert guide_loss(shares[None] + 1e-9, (shares > 0.9).float()[None]) < 1e-6


def test_bad_shapes_are_refused_and_sinusoids_are_bounded() -> None:
    with pytest.raises(ValueError, match="heads"):
        Transformer(Shape(dim=30, layers=1, heads=4, hidden=8))
    table = sinusoids(torch.arange(100), 32)
    assert table.shape == (100, 32)
    assert float(table.abs().max()) <= 1.0
