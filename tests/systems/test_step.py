"""Reading single positions: the same numbers as the plain pass, whatever the weights have gone through since."""

from __future__ import annotations

import copy
import dataclasses
import io

import pytest
import torch

from ttsbench.systems.llasa import core
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.counting import count
from ttsbench.systems.nn.step import Product, packable
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer

PLAIN = Shape(dim=32, layers=2, heads=4, hidden=64, bias=True, rope=Rope(), activation="relu")
LLAMA = Shape(32, 2, 4, 64, kv_heads=2, rope=Rope(5e5, factor=32.0), norm="rms", gated=True, activation="silu")
CROSS = Shape(dim=32, layers=2, heads=4, hidden=64, memory_dim=24, rope=Rope())


def steps(model: Transformer, x: torch.Tensor, cache: Cache) -> torch.Tensor:
    return torch.cat([model(x[:, at : at + 1], cache=cache) for at in range(x.shape[1])], dim=1)


@pytest.mark.parametrize("shape", [PLAIN, LLAMA], ids=["plain", "llama"])
def test_one_position_at_a_time_equals_the_plain_pass(shape: Shape) -> None:
    torch.manual_seed(0)
    model, x = Transformer(shape).eval(), torch.randn(3, 7, 32)
    whole = model(x)
    names = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        torch.testing.assert_close(steps(model, x, Cache(shape, 3, 7)), whole, atol=1e-5, rtol=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, names[name], atol=0, rtol=0)
    model(x).sum().backward()  # weights that were joined in inference mode can still be trained
    assert model.layers[0].self_attn.k_proj.weight.grad is not None


def test_changed_weights_are_noticed() -> None:
    torch.manual_seed(0)
    model, x = Transformer(LLAMA).eval(), torch.randn(1, 4, 32)
    for change in ("write", "load", "double"):
        with torch.no_grad():
            steps(model, x, Cache(LLAMA, 1, 4))
            if change == "write":
                model.layers[0].mlp.up_proj.weight.mul_(2.0)
            elif change == "load":
                model.load_state_dict(Transformer(LLAMA).state_dict())
            else:
                model, x = model.double(), x.double()
            cache = Cache(LLAMA, 1, 4, dtype=x.dtype)
            torch.testing.assert_close(steps(model, x, cache), model(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_weights_made_in_inference_mode_can_be_joined() -> None:
    torch.manual_seed(0)
    model, x = Transformer(PLAIN).eval(), torch.randn(1, 3, 32)
    torch.testing.assert_close(steps(model, x, Cache(PLAIN, 1, 3)), model(x), atol=1e-5, rtol=1e-5)


def test_copies_and_files_hold_the_weights_alone() -> None:
    torch.manual_seed(0)
    model, x = Transformer(PLAIN).eval(), torch.randn(1, 3, 32)
    with torch.no_grad():
        steps(model, x, Cache(PLAIN, 1, 3))
        twin = copy.deepcopy(model)
        twin.layers[0].self_attn.q_proj.weight.zero_()
        assert model.layers[0].self_attn.q_proj.weight.abs().sum() > 0
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        again = torch.load(file, weights_only=False)
        torch.testing.assert_close(steps(again, x, Cache(PLAIN, 1, 3)), model(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_one_candidate_takes_the_prompt_over_and_many_share_it() -> None:
    torch.manual_seed(0)
    model, prompt, x = Transformer(LLAMA).eval(), torch.randn(1, 5, 32), torch.randn(1, 4, 32)
    whole = model(torch.cat([prompt, x], dim=1))[:, 5:]
    cache = Cache(LLAMA, 1, 5)
    model(prompt, cache=cache)
    alone = cache.fork(1, 2)
    first = steps(model, x[:, :2], alone)
    rest = steps(model, x[:, 2:], alone.select(torch.zeros(1, dtype=torch.long), 4))
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="7 positions"):
        model(x[:, :1], cache=alone)
    many = steps(model, x.expand(3, -1, -1), cache.fork(3, 4))
    torch.testing.assert_close(many, whole.expand(3, -1, -1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("hidden", [False, True])
@torch.no_grad()
def test_cross_attention_of_a_step(hidden: bool) -> None:
    torch.manual_seed(0)
    model, x, memory = Transformer(CROSS).eval(), torch.randn(2, 5, 32), torch.randn(2, 6, 24)
    mask = torch.arange(6)[None] < torch.tensor([[6], [4 if hidden else 6]])
    given = {"memory": memory, "memory_mask": mask, "memory_positions": torch.arange(6) * 2.0}
    cache = Cache(CROSS, 2, 5)
    first = model(x[:, :2], cache=cache, **given)
    assert (cache.memory_mask is None) is not hidden
    torch.testing.assert_close(torch.cat([first, steps(model, x[:, 2:], cache)], dim=1), model(x, **given))


@pytest.mark.parametrize("shape", [LLAMA, dataclasses.replace(CROSS, memory_dim=None)])
@torch.no_grad()
def test_static_steps_equal_plain_ones(shape: Shape) -> None:
    torch.manual_seed(0)
    model, x = Transformer(shape).eval(), torch.randn(2, 6, 32)
    cache = Cache(shape, 2, 9)
    model(x[:, :3], cache=cache)
    step, places, out = model.ready(cache), torch.arange(9), []
    for pair in cache.own:
        for buffer in pair:
            buffer[:, :, 3:] = 0.0  # what stands in fresh memory may be NaN, which no mask hides
    for at in range(3, 6):
        place = torch.tensor([at])
        bias = torch.zeros(9).masked_fill(places > place, -1e9)
        out.append(model.norm(step.static(x[:, at], model._angles(place), cache, place, bias)))
    torch.testing.assert_close(torch.stack(out, dim=1), model(x)[:, 3:], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_bf16_products_in_their_own_layout() -> None:
    weight, bias = torch.randn(96, 64).bfloat16(), torch.randn(96).bfloat16()
    if not packable(weight):
        pytest.skip("oneDNN has no bf16 on this CPU")
    x = torch.randn(3, 64).bfloat16()
    packed = Product(weight, bias)
    assert packed.packed is not None
    exact = x.double() @ weight.double().T + bias.double()
    torch.testing.assert_close(packed(x).double(), exact, atol=0.1, rtol=0.01)
    assert count(lambda: packed(x)).linear == 3 * 96 * 64


@torch.no_grad()
def test_logits_of_speech_alone_are_a_part_of_all() -> None:
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.bfloat16):
        model = core.Llama(core.Config(core._shape(32, 1, 8, 48, 32.0), vocabulary=90)).to(dtype).eval()
        hidden = torch.randn(2, 32).to(dtype)
        every = model.head(hidden)
        torch.testing.assert_close(model.head(hidden, 40), every[:, 40:], atol=1e-2, rtol=1e-2)
        torch.testing.assert_close(model.head(hidden), every, atol=0, rtol=0)
        model.embedding.mul_(2.0)
        torch.testing.assert_close(model.head(hidden), 2 * every, atol=1e-2, rtol=1e-2)


@torch.no_grad()
def test_a_step_is_counted_in_full() -> None:
    model, cache = Transformer(LLAMA).eval(), Cache(LLAMA, 1, 4)
    model(torch.randn(1, 3, 32), cache=cache)
    found = count(lambda: model(torch.randn(1, 1, 32), cache=cache))
    assert found.linear == 2 * (32 * 32 * 2 + 2 * 32 * 16 + 3 * 32 * 64)
    assert found.attention == 2 * 4 * 4 * 8 * 2  # layers, heads, keys, head_dim, scores and values
