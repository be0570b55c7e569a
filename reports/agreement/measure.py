"""How far a metric orders clips and systems as listeners do: rank correlations, pairwise accuracy, with intervals.

Everything is computed from `ratings` (raters, clips), NaN where nobody rated, and a metric's values (clips,) of which
the higher are the better. Intervals resample raters and sentences, both with replacement, independently of each other
(the pigeonhole bootstrap of Owen 2007, "The pigeonhole bootstrap", which errs on the wide side). Systems are fixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, rankdata

DRAWS = 400
NORMAL = 1.959964
EDGE = 1e-3  # correlations and accuracies are kept this far from their ends before they are transformed


@dataclass(frozen=True)
class Figure:
    """A number from -1 to 1 (correlations) or 0 to 1 (accuracy), its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Of one metric, over `count` clips or systems.

    `accuracy`: share of pairs that both order alike; a tie of the metric counts half, pairs that listeners rate alike
    do not count. Clips are paired within a sentence. `reliability`: share of the variance of the mean ratings that is
    no chance of the raters. `disattenuated`: Spearman's correlation over the square root of it, what could be expected
    of a panel without end (Spearman 1904, "The proof and measurement of association between two things").
    """

    count: int
    spearman: Figure
    kendall: Figure
    accuracy: Figure
    reliability: float | None
    disattenuated: Figure


@dataclass(frozen=True)
class Clips:
    """What is compared: `ratings` (raters, clips), and of each clip its system and sentence, as numbers from 0."""

    ratings: np.ndarray
    system: np.ndarray
    sentence: np.ndarray

    def only(self, kept: np.ndarray) -> Clips:
        """The clips at `kept` (a mask), systems and sentences numbered anew; raters without a clip leave."""
        ratings = self.ratings[:, kept]
        heard = np.isfinite(ratings).any(axis=1)
        numbers = (np.unique(each[kept], return_inverse=True)[1] for each in (self.system, self.sentence))
        return Clips(ratings[heard], *numbers)


def over_clips(clips: Clips, values: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Agreement:
    """Agreement over utterances of a metric `values` (clips,), the higher the better."""
    one, two = _pairs_within(clips.sentence)

    def figures(raters: np.ndarray, sentences: np.ndarray) -> tuple[float, float, float]:
        heard = _means(clips.ratings, raters)
        times = sentences[clips.sentence] * np.isfinite(heard)
        at = np.repeat(np.arange(times.size), times)
        accuracy = _alike(heard[one] - heard[two], values[one] - values[two], times[one] * np.isfinite(heard[two]))
        return spearman(heard[at], values[at]), kendall(heard[at], values[at]), accuracy

    drawn = np.array([figures(*each) for each in _drawn(clips, seed, draws)]).T
    point = figures(*_everyone(clips))
    rho, tau, alike = (
        _normal(value, drawn[number], correlation=number < 2) if np.isfinite(value) else Figure(None)
        for number, value in enumerate(point)
    )
    reliable = reliability(clips.ratings)
    return Agreement(values.size, rho, tau, alike, reliable, _without_attenuation(rho, reliable))


def over_systems(clips: Clips, values: np.ndarray, weights: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Agreement:
    """Agreement over systems; `weights` (clips,): of a clip in its system's number, 1 for a plain mean."""
    systems = int(clips.system.max()) + 1
    one, two = _pairs_within(np.zeros(systems))

    def figures(raters: np.ndarray, sentences: np.ndarray) -> tuple[float, float, float]:
        heard = _system_means(clips, raters, sentences)
        times = sentences[clips.sentence] * weights
        metric = _ratio(np.bincount(clips.system, times * values, systems), np.bincount(clips.system, times, systems))
        known = np.isfinite(heard) & np.isfinite(metric)
        gaps = heard[one] - heard[two], metric[one] - metric[two]
        count = (known[one] & known[two]).astype(float)
        return spearman(heard[known], metric[known]), kendall(heard[known], metric[known]), _alike(*gaps, count)

    if systems < 2:
        nothing = Figure(None)
        return Agreement(systems, nothing, nothing, nothing, None, nothing)
    drawn = np.array([figures(*each) for each in _drawn(clips, seed, draws)]).T
    rho, tau, alike = (
        _percentiles(value, drawn[number]) if np.isfinite(value) else Figure(None)
        for number, value in enumerate(figures(*_everyone(clips)))
    )
    reliable = _system_reliability(clips, seed, draws)
    return Agreement(systems, rho, tau, alike, reliable, _without_attenuation(rho, reliable))


# --- numbers ------------------------------------------------------------------------------------------------------


def spearman(one: np.ndarray, two: np.ndarray) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN for fewer than two different values of either."""
    if one.size < 2 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(two))[0, 1])


def kendall(one: np.ndarray, two: np.ndarray) -> float:
    """Kendall's tau-b; NaN where it is not defined."""
    if one.size < 2 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return float("nan")
    return float(kendalltau(one, two).statistic)


def _alike(heard: np.ndarray, metric: np.ndarray, times: np.ndarray) -> float:
    """Share of the pairs, given as differences (pairs,), whose signs agree; a tie of the metric counts half."""
    counted = np.where(np.isfinite(heard) & (heard != 0), times, 0)
    same = np.where(metric == 0, 0.5, np.sign(metric) == np.sign(heard))
    return float((counted * same).sum() / counted.sum()) if counted.sum() else float("nan")


def reliability(ratings: np.ndarray) -> float | None:
    """Share of the variance of the clips' mean ratings that is not chance of the raters, of `ratings` (raters, clips).

    One-way analysis of variance: the variance within clips over the number of their raters. None where no clip was
    rated twice, or chance explains all. Source: Shrout and Fleiss 1979, "Intraclass correlations", ICC(1, k).
    """
    counts = np.isfinite(ratings).sum(axis=0)
    several = counts >= 2
    if not several.any():
        return None
    within = np.nansum((ratings[:, several] - np.nanmean(ratings[:, several], axis=0)) ** 2)
    within /= (counts[several] - 1).sum()
    return _share(float(np.mean(within / counts)), float(np.nanmean(ratings, axis=0).var(ddof=1)))


def _system_reliability(clips: Clips, seed: int, draws: int) -> float | None:
    """The same of the systems' means: their scatter where other raters are drawn, beside that of the systems."""
    everyone, sentences = _everyone(clips)
    if everyone.size < 2:
        return None
    drawn = np.array([_system_means(clips, raters, sentences) for raters, _ in _drawn(clips, seed, draws)])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if len(drawn) < 2:
        return None
    drawn -= drawn.mean(axis=1, keepdims=True)  # a strict panel is strict with all
    chance = drawn.var(axis=0, ddof=1).mean() * everyone.size / (everyone.size - 1)
    return _share(float(chance), float(_system_means(clips, everyone, sentences).var(ddof=1)))


def _share(chance: float, total: float) -> float | None:
    return 1 - chance / total if total > chance else None


def _without_attenuation(figure: Figure, reliable: float | None) -> Figure:
    """The figure and its interval over the square root of the reliability, cut at 1; the reliability taken as known."""
    if figure.value is None or reliable is None:
        return Figure(None)
    root = reliable**0.5
    return Figure(
        *(None if v is None else max(-1.0, min(1.0, v / root)) for v in (figure.value, figure.low, figure.high))
    )


# --- resampling ---------------------------------------------------------------------------------------------------


def _everyone(clips: Clips) -> tuple[np.ndarray, np.ndarray]:
    """How often each rater and each sentence counts where nothing is drawn: once."""
    return np.ones(len(clips.ratings), dtype=int), np.ones(int(clips.sentence.max()) + 1, dtype=int)


def _drawn(clips: Clips, seed: int, draws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """How often each rater and each sentence counts, `draws` times."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield tuple(rng.multinomial(n.size, np.full(n.size, 1 / n.size)) for n in _everyone(clips))  # type: ignore[misc]


def _means(ratings: np.ndarray, raters: np.ndarray) -> np.ndarray:
    """Mean rating of each clip (clips,), NaN where none of the raters heard it."""
    known = np.isfinite(ratings)
    return _ratio(raters @ np.where(known, ratings, 0), raters @ known)


def _system_means(clips: Clips, raters: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Mean over a system's sentences of their mean ratings (systems,), NaN where there is none."""
    heard, systems = _means(clips.ratings, raters), int(clips.system.max()) + 1
    times = sentences[clips.sentence] * np.isfinite(heard)
    return _ratio(
        np.bincount(clips.system, times * np.nan_to_num(heard), systems), np.bincount(clips.system, times, systems)
    )


def _ratio(top: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(top, under, out=np.full(len(top), np.nan), where=under > 0)


def _pairs_within(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every two places of the same group, as two arrays of places."""
    found = [pair for g in np.unique(groups) for pair in itertools.combinations(np.flatnonzero(groups == g), 2)]
    both = np.array(found, dtype=int).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _normal(value: float, drawn: np.ndarray, correlation: bool) -> Figure:
    """An interval of the scatter of the draws about the value, on Fisher's z scale, or the logit for shares.

    Draws are not centred on the value: a rater drawn twice is one rater, so their correlations are a little lower.
    """
    to, back = _FISHER if correlation else _LOGIT
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 2:
        return Figure(value)
    error = NORMAL * float(to(drawn).std(ddof=1))
    middle = to(np.array(value))
    return Figure(value, float(back(middle - error)), float(back(middle + error)))


def _percentiles(value: float, drawn: np.ndarray) -> Figure:
    """The middle 95 % of the draws: over a few systems correlations take few values, of which no scatter says much."""
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 2:
        return Figure(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, min(value, float(low)), max(value, float(high)))


Change = Callable[[np.ndarray], np.ndarray]
_FISHER: tuple[Change, Change] = (lambda r: np.arctanh(np.clip(r, EDGE - 1, 1 - EDGE)), np.tanh)
_LOGIT: tuple[Change, Change] = (
    lambda p: np.log(np.clip(p, EDGE, 1 - EDGE) / (1 - np.clip(p, EDGE, 1 - EDGE))),
    lambda z: 1 / (1 + np.exp(-z)),
)
