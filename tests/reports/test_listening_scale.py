"""Pairs on one scale: simulated raters whose scale is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ttsbench.reports.listening.scale import _Model, scale

TRUE = {"low": -1.0, "middle": 0.2, "top": 0.8}
AB, CMOS, NO_TIES = [0.5], [0.4, 1.2, 2.4], []


def panel(cuts, sentences, seed, places=TRUE):
    """Answers of two raters to every pair: how far a logistic draw around the difference lies beyond the thresholds."""
    rng, found = np.random.default_rng(seed), []
    for sentence in range(sentences):
        for first, second in combinations(places, 2):
            for _ in range(2):
                at = places[second] - places[first] + rng.logistic()
                value = sum(at > cut for cut in cuts) - sum(at < -cut for cut in cuts) if cuts else np.sign(at)
                found.append((f"s{sentence}", first, second, float(value)))
    return found


@pytest.mark.parametrize("cuts", [AB, CMOS, NO_TIES])
def test_a_known_scale_is_found(cuts):
    placed, why = scale(panel(cuts, 400, 0), resamples=30)
    assert not why and [each.name for each in placed] == ["top", "middle", "low"]
    for each in placed:
        assert abs(each.value - TRUE[each.name]) < 0.15 and each.low < each.value < each.high
    assert sum(each.value for each in placed) == pytest.approx(0, abs=1e-6)


def test_intervals_hold_the_truth_as_often_as_they_say():
    found = [each for seed in range(30) for each in scale(panel(AB, 30, seed), resamples=60)[0]]
    held = sum(each.low <= TRUE[each.name] <= each.high for each in found)
    assert held >= 80  # of 90; fewer has a chance of 1 in 1,000 at 95 %


def test_equal_systems_are_not_told_apart():
    placed, _ = scale(panel(CMOS, 60, 1, dict.fromkeys(TRUE, 0.0)), resamples=60)
    assert all(each.low < 0 < each.high for each in placed)


def test_a_system_that_always_wins_stays_finite_and_uncertain():
    placed, _ = scale([(f"s{n}", "a", "b", 1.0) for n in range(20)], resamples=20)
    assert placed[0].name == "b" and 1 < placed[0].value < 4 and placed[0].high - placed[0].low > 1


def test_systems_never_compared_have_no_common_scale():
    answers = [("s", "a", "b", 1.0), ("s", "c", "d", 1.0)]
    assert scale(answers) == ([], "the answers fall into groups of systems that were never compared with each other")
    assert scale([*answers, ("s", "b", "c", 0.0)], resamples=5)[0]
    assert scale([])[1] == "a scale needs answers on at least two systems"


@pytest.mark.parametrize("steps, ties, levels", [(1, True, 3), (3, True, 7), (0, False, 2), (2, False, 6)])
def test_the_gradient_is_that_of_the_loss(steps, ties, levels):
    rng = np.random.default_rng(0)
    model = _Model(np.array([[-1.0, 1, 0], [-1, 0, 1], [0, -1, 1]]), steps, ties)
    counts, x = rng.integers(1, 9, (3, levels)).astype(float), rng.normal(size=3 + steps) / 2
    near = approx_fprime(x, lambda at: model.loss(at, counts)[0], 1e-6)
    assert model.loss(x, counts)[1] == pytest.approx(near, abs=1e-3)
