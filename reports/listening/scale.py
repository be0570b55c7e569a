"""Where systems stand on one scale, from answers to pairs: an ordinal Bradley-Terry model with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ttsbench.stats import interval

RESAMPLES = 300
WIDTH = 3.0  # standard deviation of the normal prior, in log odds: keeps a system finite that always wins


@dataclass(frozen=True)
class Placed:
    """A system's place in log odds (natural logarithm); the mean of all systems is 0. The interval is 95 %."""

    name: str
    value: float
    low: float
    high: float


def scale(
    answers: Sequence[tuple[str, str, str, float]], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[list[Placed], str]:
    """Places of the systems, the best first; or none and the reason.

    `answers`: (sentence, first, second, how much the second is better, a value symmetric around 0). The chance of an
    answer of at least c is logistic(second - first - threshold of c), with thresholds symmetric around 0: Bradley and
    Terry (1952) where nobody ties, Rao and Kupper (1967) with ties, Agresti (1992) for graded answers. The estimate is
    the posterior mode under a wide normal prior. Intervals: the wider of a bootstrap over sentences and the posterior's
    curvature, as sentences that all agree leave the bootstrap nothing to draw.
    """
    names = sorted({name for _, *pair, _ in answers for name in pair})
    if len(names) < 2:
        return [], "a scale needs answers on at least two systems"
    if not _joined(names, answers):
        return [], "the answers fall into groups of systems that were never compared with each other"
    pairs = sorted({(first, second) for _, first, second, _ in answers})
    sizes = sorted({abs(value) for *_, value in answers})
    sentences = list(dict.fromkeys(sentence for sentence, *_ in answers))
    levels = [-size for size in reversed(sizes) if size] + list(sizes)
    counts = np.zeros((len(sentences), len(pairs), len(levels)))
    for sentence, first, second, value in answers:
        counts[sentences.index(sentence), pairs.index((first, second)), levels.index(value)] += 1
    design = np.zeros((len(pairs), len(names)))
    for row, (first, second) in enumerate(pairs):
        design[row, names.index(second)], design[row, names.index(first)] = 1.0, -1.0
    model = _Model(design, len(sizes) - 1, sizes[0] == 0)
    best = model.fit(counts.sum(axis=0), None)
    rng, weights = np.random.default_rng(seed), np.ones((resamples, len(sentences)))
    for weight in weights:
        weight[:] = np.bincount(rng.integers(len(sentences), size=len(sentences)), minlength=len(sentences))
    draws = np.array([model.fit(np.tensordot(row, counts, 1), best)[: len(names)] for row in weights])
    draws -= draws.mean(axis=1, keepdims=True)
    values = best[: len(names)] - best[: len(names)].mean()
    half = 1.96 * model.errors(best, counts.sum(axis=0))
    placed = []
    for at, name in enumerate(names):
        low, high = interval(draws[:, at], len(sentences))
        ends = values[at] - half[at], values[at] + half[at]
        placed.append(Placed(name, float(values[at]), min(low or ends[0], ends[0]), max(high or ends[1], ends[1])))
    return sorted(placed, key=lambda each: -each.value), ""


def _joined(names: Sequence[str], answers: Sequence[tuple[str, str, str, float]]) -> bool:
    """Whether every two systems are linked by a chain of comparisons."""
    reached, links = {names[0]}, {(first, second) for _, first, second, _ in answers}
    for _ in names:
        reached |= {name for pair in links if reached & set(pair) for name in pair}
    return len(reached) == len(names)


class _Model:
    """The posterior of places and thresholds, given how often each pair got each answer.

    `design` (pairs, systems) makes differences of places; `steps` is the number of free thresholds; `ties`: the middle
    answer is 0, so that the first threshold lies above 0.
    """

    def __init__(self, design: np.ndarray, steps: int, ties: bool) -> None:
        self.design, self.steps, self.ties = design, steps, ties

    def fit(self, counts: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        """Places of the systems, then logarithms of the gaps between thresholds. `counts` (pairs, answers)."""
        begin = np.zeros(self.design.shape[1] + self.steps) if start is None else start
        return np.asarray(minimize(self.loss, begin, (counts,), method="L-BFGS-B", jac=True).x)

    def errors(self, x: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Standard errors of the centred places, from the curvature of the posterior at its mode."""
        steps = 1e-4 * np.eye(len(x))
        curve = np.array([(self.loss(x + step, counts)[1] - self.loss(x - step, counts)[1]) / 2e-4 for step in steps])
        spread, count = np.linalg.inv((curve + curve.T) / 2), self.design.shape[1]
        centre = np.eye(count) - 1 / count
        return np.asarray(np.sqrt(np.diag(centre @ spread[:count, :count] @ centre)))

    def loss(self, x: np.ndarray, counts: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior and its gradient."""
        places, gaps = x[: self.design.shape[1]], np.exp(np.clip(x[self.design.shape[1] :], -20, 20))
        upper = np.cumsum(gaps)
        middle = [] if self.ties else [0.0]
        cuts = np.concatenate([-upper[::-1], middle, upper])
        at = expit(cuts - (self.design @ places)[:, None])  # chance of an answer below each cut
        edge = np.zeros((len(at), 1))
        below = np.hstack([edge, at, edge + 1])
        chance = np.maximum(np.diff(below, axis=1), 1e-12)
        slope = np.hstack([edge, at * (1 - at), edge])
        share = counts / chance
        by_cut = (share[:, :-1] - share[:, 1:]) * slope[:, 1:-1]  # of the log likelihood, along each cut
        ups, downs = by_cut[:, len(cuts) - self.steps :].sum(axis=0), by_cut[:, : self.steps].sum(axis=0)[::-1]
        by_gap = np.cumsum((ups - downs)[::-1])[::-1] * gaps
        gradient = np.concatenate([self.design.T @ -by_cut.sum(axis=1), by_gap])
        loss = -float((counts * np.log(chance)).sum()) + 0.5 * float((x**2).sum()) / WIDTH**2
        return loss, -gradient + x / WIDTH**2
