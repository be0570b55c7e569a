"""The exact paired test by hand, and ranks of systems that lack rows."""

from __future__ import annotations

import pytest

from ttsbench import significance
from ttsbench.records import Metric, Score

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "", shown="corpus")
SIM = Metric("sim", "SIM", "cosine", "higher", -1, 1, "similarity", "")


def rows(values, weights=None):
    weights = weights or [1.0] * len(values)
    return [Score(f"s{i}", value, weight) for i, (value, weight) in enumerate(zip(values, weights, strict=True))]


@pytest.mark.parametrize(
    "before, after, p",
    [
        ([0.0] * 5, [0.5] * 5, 2 / 32),  # five of five changed, all one way: 2 of 32 swaps are as extreme
        ([0.5] * 5, [0.0] * 5, 2 / 32),  # the other way: the test has two sides
        ([0.0] * 10, [0.5] * 5 + [0.0] * 5, 2 / 32),  # rows that did not change say nothing
        ([0.0, 0.0, 0.5], [0.5, 0.5, 0.0], 1.0),  # 0.5 up twice and down once: every swap is at least as extreme
        ([0.1, 0.2], [0.1, 0.2], 1.0),
        ([], [], 1.0),
    ],
)
def test_by_hand(before, after, p):
    assert significance.randomisation(SIM, rows(before), rows(after)) == p


def test_the_corpus_rate_weighs_words():
    # differences in words: +8, -1, -1; only the swaps that move the long one with both others or none are as extreme
    before, after = rows([0.0, 0.1, 0.1], [80, 10, 10]), rows([0.1, 0.0, 0.0], [80, 10, 10])
    assert significance.randomisation(WER, before, after) == 1.0
    after = rows([0.1, 0.2, 0.2], [80, 10, 10])  # +8, +1, +1
    assert significance.randomisation(WER, before, after) == 2 / 8
    assert significance.randomisation(SIM, before, after) == 2 / 8


def test_many_rows_are_drawn_and_seeded():
    before, after = rows([0.0] * 40), rows([0.1] * 40)
    p = significance.randomisation(SIM, before, after)
    assert 0 < p < 1e-4 and p == significance.randomisation(SIM, before, after)
    mixed = rows([0.1, -0.1] * 20)
    assert significance.randomisation(SIM, before, mixed) > 0.1


def test_systems_that_lack_rows_are_compared_on_those_both_have():
    """One fails on the rows that the other does badly: on the rows of both they are alike, and share the first rank."""
    values = [0.5 + 0.01 * (i % 7) for i in range(60)]
    whole = rows([*values, *[0.0] * 40])
    part = [*rows([v + (0.001 if i % 2 else -0.001) for i, v in enumerate(values)])]
    part += [Score(f"s{i}", error="no audio") for i in range(60, 100)]
    assert significance.ranks(SIM, [whole, part]) == [(1, 2), (1, 2)]
