"""Counts against hand counts, and the published comparison to its last printed digit."""

import torch
from torch import nn

from ttsbench import systems
from ttsbench.records import Cost
from ttsbench.speed.operations import HONEST, MODEL_ONLY, NO_CACHE, PUBLISHED, operations
from ttsbench.systems.nn.counting import count
from ttsbench.systems.nn.transformer import Shape, Transformer


def test_a_linear_layer_and_a_convolution_by_hand() -> None:
    with torch.device("meta"):
        found = count(lambda: nn.Linear(30, 7)(torch.zeros(4, 11, 30)))
        assert found.linear == 4 * 11 * 30 * 7 and found.attention == 0
        assert found.by_precision == {torch.float32: found.linear}
        assert found.bytes == 4 * (4 * 11 * 30 + 30 * 7 + 7 + 4 * 11 * 7)  # what is read and what is written
        found = count(lambda: nn.Conv1d(6, 10, 5, padding=2)(torch.zeros(2, 6, 33)))
        assert found.linear == 2 * 33 * 6 * 10 * 5
        assert count(lambda: nn.LayerNorm(8)(torch.zeros(3, 8))).norms == 5 * 24


def test_a_transformer_by_hand() -> None:
    shape = Shape(dim=64, layers=2, heads=4, hidden=96, kv_heads=2, gated=True)
    with torch.device("meta"):
        model = Transformer(shape)
        found = count(lambda: model(torch.zeros(1, 9, 64)))
    per_layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96  # queries and output, keys and values, gated feed-forward
    assert found.linear == 9 * 2 * per_layer
    assert found.attention == 2 * 2 * 9 * 9 * 64  # two products, two layers


def test_conventions_on_a_cost_worked_by_hand() -> None:
    model = Cost("lm", "model", linear=10, attention=3, prefix=2, steps=3)
    head = Cost("head", "head", linear=100, steps=3)
    codec = Cost("codec", "codec", linear=1000, attention=50, norms=7)
    parts = [model, head, codec]
    assert operations(parts, MODEL_ONLY) == 2 * (10 * 3 + 3 * (1 + 2 + 3) + 300)
    assert operations(parts, HONEST) == 2 * (10 * 5 + 3 * (1 + 2 + 3 + 4 + 5) + 300 + 1050)
    assert operations(parts, NO_CACHE) == 2 * (10 * (3 + 4 + 5) + 3 * (9 + 16 + 25) + 300 + 1050)
    assert operations(parts, PUBLISHED) == 10 * (1 + 2 + 3) + 300 + 1000 + 7


def test_llasa_reproduces_the_published_figure() -> None:
    costs, parameters = systems.costs("llasa", 10.0)
    assert round(operations(costs, PUBLISHED) / 1e9, 2) == 122170.02
    assert 1.36e9 < parameters < 1.38e9


def test_kalle_reproduces_the_published_figure() -> None:
    costs, parameters = systems.costs("kalle", 10.0)
    assert round(operations(costs, PUBLISHED) / 1e9, 2) == 7947.48
    assert operations(costs, HONEST) < operations(costs, PUBLISHED)
    assert 1.23e9 < parameters < 1.25e9
