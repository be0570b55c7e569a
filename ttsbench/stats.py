"""The number of a metric and its bootstrap interval. NumPy at import; SciPy only where a distribution is needed.

Everything is seeded, so that the same scores give the same table on every machine.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypedDict

import numpy as np

from ttsbench.names import parted
from ttsbench.records import Cell, Metric, Score

RESAMPLES = 2000
FOLDER = re.compile(r"(?<![\w:/.])(?:/|\.{1,2}/|[A-Za-z]:\\)(?:[^\s/\\:]+[/\\])*")  # the folders before a file's name
FILE = re.compile(r"[^\s/]+\.(?:wav|flac|mp3|ogg|opus)\b")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
MIN_CLUSTERS = 8  # below this a bootstrap over speakers is mostly noise: utterances are drawn instead


def cell(
    metric: Metric,
    scores: Sequence[Score],
    clusters: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Cell:
    """The headline number of `scores` with its 95 % interval; `clusters` maps a row's id to its speaker.

    The interval is a percentile bootstrap over whole speakers (over utterances where `resampled` says so), widened
    for few clusters as in Hesterberg 2015, "What teachers should know about the bootstrap", section 3.3.
    Rows of one sample with several seeds are drawn together, and what the seeds differ by widens the interval
    (`seed_noise`).
    A row with an error is failed: with a worst-case value it still enters the mean, without one it does not. Rows that
    were timed on a busy machine do not enter it; where all were, their number is `busy_value`.
    """
    busy = [score for score in scores if score.busy]
    if busy and not any(usable(score) for score in scores):
        found = cell(metric, [replace(score, busy=False) for score in scores], clusters, seed, resamples)
        blank = replace(found, value=None, low=None, high=None, mean=None, corpus=None, median=None)
        return replace(blank, busy=len(busy), busy_value=found.value)
    asked = [score for score in scores if not score.na]
    faults = [fault for fault in map(_fault, asked) if fault]
    scored = len(asked) - len(faults)
    failures: Failures = {"failed": len(faults), "reasons": tally(faults)}
    rows = [score for score in asked if usable(score)]
    if not rows:
        na = "" if asked else next((reason for reason, _ in tally(score.na for score in scores)), "no rows")
        return Cell(metric.name, None, None, None, scored, len(asked), na=na, **failures)
    values, weights = _columns(rows)
    if metric.shown == "corpus" and weights.sum() <= 0:
        na = "no row has any weight: the corpus value is not defined"
        return Cell(metric.name, None, None, None, scored, len(asked), float(values.mean()), na=na, **failures)
    mean, corpus = float(values.mean()), _ratio(float((values * weights).sum()), float(weights.sum()))
    sums = cluster_sums(metric, rows, clusters)
    value = corpus if metric.shown == "corpus" else mean
    noise = seed_noise(metric, rows, clusters)
    low, high = interval(draw_means(sums, seed, resamples), len(sums), point=value, noise=noise)
    median = float(np.median(values))
    return Cell(
        metric.name, value, low, high, scored, len(asked), mean, corpus, median, busy=len(busy),
        by_seed=_by_seed(metric, rows) if noise.seeds > 1 else (), **failures,
    )  # fmt: skip


def _by_seed(metric: Metric, rows: Sequence[Score]) -> tuple[float | None, ...]:
    """The headline over the rows of each seed, from the first seed to the last that has rows."""
    numbers = [parted(row.sample)[1] for row in rows]
    parts = [[row for row, at in zip(rows, numbers, strict=True) if at == number] for number in range(max(numbers) + 1)]
    return tuple(weighted_mean(cluster_sums(metric, part, None)) if part else None for part in parts)


class Failures(TypedDict):
    """The fields of a Cell about rows that failed."""

    failed: int
    reasons: tuple[tuple[str, int], ...]


def _fault(score: Score) -> str:
    """Why an asked row counts as failed, "" where it was measured."""
    if score.error:
        return score.error
    if score.value is None:
        return "the metric gave neither a value nor a reason"
    return "" if np.isfinite(score.value) else f"the metric answered {score.value}"


def tally(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Reasons with counts, the commonest first; those that differ in a file or a number only count as one.

    Each is printed as its first example, without the folders of files.
    """
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for reason in filter(None, reasons):
        text = FOLDER.sub("", reason)
        key = NUMBER.sub("0", FILE.sub("", text))
        first.setdefault(key, text)
        counts[key] += 1
    return tuple((first[key], count) for key, count in counts.most_common())


def usable(score: Score) -> bool:
    """Whether a score enters the mean: it applies, has a finite value (measured, or the worst case), was not busy."""
    return not score.na and not score.busy and score.value is not None and math.isfinite(score.value)


def resampled(ids: Sequence[str], clusters: Mapping[str, str] | None) -> str:
    """What the bootstrap draws: 'speaker' where at least MIN_CLUSTERS speakers are known, else 'utterance'."""
    if clusters is None:
        return "utterance"
    names = {clusters.get(name, "") for name in ids}
    return "speaker" if "" not in names and len(names) >= MIN_CLUSTERS else "utterance"


@dataclass(frozen=True)
class SeedNoise:
    """`variance` of a headline number that comes from the choice of `seeds` seeds, beside what its rows explain."""

    variance: float = 0.0
    seeds: int = 1


def interval(
    draws: np.ndarray, clusters: int, level: float = 0.95, *, point: float | None = None, noise: SeedNoise | None = None
) -> tuple[float | None, float | None]:
    """Percentile interval of bootstrap `draws` (n,), widened for few clusters; (None, None) under two clusters.

    With `noise` the draws are spread about `point` until their variance holds that of the seeds too, and further by
    the ratio of Student's quantiles, as the degrees of freedom are then fewer (`freedom`).
    """
    draws = draws[np.isfinite(draws)]
    if clusters < 2 or draws.size == 0:
        return None, None
    from scipy.special import ndtr, stdtrit

    quantile = stdtrit(clusters - 1, (1 - level) / 2)
    tail = float(ndtr(np.sqrt(clusters / (clusters - 1)) * quantile))
    low, high = np.quantile(draws, [tail, 1 - tail])
    rows = draws_variance(draws, clusters)
    if noise and noise.variance > 0 and rows > 0 and point is not None:
        wider = stdtrit(freedom(rows, clusters, noise), (1 - level) / 2) / quantile
        wider *= math.sqrt(1 + noise.variance / rows)
        low, high = point + wider * (low - point), point + wider * (high - point)
    return float(low), float(high)


def draws_variance(draws: np.ndarray, clusters: int) -> float:
    """Variance of what was drawn, with the factor n / (n - 1) that a bootstrap over n clusters lacks."""
    return float(draws.var(ddof=1)) * clusters / (clusters - 1) if draws.size > 1 else 0.0


def freedom(rows: float, clusters: int, noise: SeedNoise) -> float:
    """Degrees of freedom of the sum of two variances: of the rows' clusters, and of the seeds. Source: Satterthwaite
    1946, "An approximate distribution of estimates of variance components"."""
    if noise.variance <= 0 or noise.seeds < 2:
        return clusters - 1
    parts = rows**2 / (clusters - 1) + noise.variance**2 / (noise.seeds - 1)
    return (rows + noise.variance) ** 2 / parts


def seed_noise(metric: Metric, rows: Sequence[Score], clusters: Mapping[str, str] | None) -> SeedNoise:
    """How much of the headline's variance is common to all rows of a seed.

    Rows draw their own random numbers, and what they differ by lies in the bootstrap over speakers, which draws all
    rows of a speaker together. A seed may also move all rows alike (a model that chooses its voice once). With u the
    linearised share of a cell (speaker, seed) in the headline, centred within each speaker, the sums over speakers have
    the mean square of a sum of independent cells unless that is so; the excess is the seeds' own part, 0 where it is
    negative. As in a two-way analysis of variance without replication (Searle, Casella, McCulloch 1992, section 4.3).
    """
    numbers = [parted(row.sample)[1] for row in rows]
    seeds = len(set(numbers))
    if seeds < 2:
        return SeedNoise()
    tops, weights = _weighted(metric, rows)
    theta = tops.sum() / weights.sum() if weights.sum() > 0 else 0.0
    column = np.unique(numbers, return_inverse=True)[1]
    shares = np.zeros((_groups(rows, clusters).max() + 1, seeds))
    np.add.at(shares, (_groups(rows, clusters), column), (tops - theta * weights) / max(weights.sum(), 1e-300))
    shares -= shares.mean(axis=1, keepdims=True)
    excess = float((shares.sum(axis=0) ** 2).sum() - (shares**2).sum())
    return SeedNoise(max(0.0, excess) * seeds / (seeds - 1), seeds)


def _columns(rows: Sequence[Score]) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights of usable rows, (n,) each."""
    values = np.array([row.value for row in rows], dtype=np.float64)
    return values, np.array([row.weight for row in rows], dtype=np.float64)


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def cluster_sums(metric: Metric, rows: Sequence[Score], clusters: Mapping[str, str] | None) -> np.ndarray:
    """(clusters, 2): sum of value times weight, and sum of weight, of each speaker (or utterance, see `resampled`).

    Every weight is 1 where the headline is the plain mean.
    """
    groups = _groups(rows, clusters)
    return np.stack([np.bincount(groups, each) for each in _weighted(metric, rows)], axis=1)


def _weighted(metric: Metric, rows: Sequence[Score]) -> tuple[np.ndarray, np.ndarray]:
    """Value times weight, and weight, of each row (n,)."""
    values, weights = _columns(rows)
    if metric.shown != "corpus":
        weights = np.ones_like(weights)
    return values * weights, weights


def _groups(rows: Sequence[Score], clusters: Mapping[str, str] | None) -> np.ndarray:
    """(n,) what is drawn together, numbered from 0: the speaker, or the utterance with all its seeds."""
    ids = [row.sample for row in rows]
    if clusters is None or resampled(ids, clusters) == "utterance":
        known: dict[str, int] = {}
        return np.array([known.setdefault(parted(name)[0], len(known)) for name in ids], dtype=int)
    return np.unique([clusters[name] for name in ids], return_inverse=True)[1]


def weighted_mean(sums: np.ndarray) -> float | None:
    """The headline that `cluster_sums` (clusters, 2) add up to; None where they have no weight."""
    top, bottom = map(float, sums.sum(axis=0))
    return _ratio(top, bottom)


@lru_cache(maxsize=4)
def _counts(clusters: int, seed: int, resamples: int) -> np.ndarray:
    """(resamples, clusters): how often each cluster was drawn. Cached: every metric of a table uses the same draw."""
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, clusters), dtype=np.float32)
    for row in range(resamples):
        counts[row] = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)
    return counts


def draw_means(sums: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """(resamples,) weighted means of the resampled clusters; NaN where a draw has no weight."""
    drawn = _counts(len(sums), seed, resamples) @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(drawn[:, 1] > 0, drawn[:, 0] / drawn[:, 1], np.nan)
