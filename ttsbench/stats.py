"""Intervals, paired tests, corrections and agreement. NumPy at import; SciPy only where a distribution is needed.

Everything is seeded, so that the same scores give the same table on every machine.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import numpy as np

from ttsbench.records import Cell, Metric, Score

RESAMPLES = 2000
FOLDER = re.compile(r"(?<![\w:/.])(?:/|\.{1,2}/|[A-Za-z]:\\)(?:[^\s/\\:]+[/\\])*")  # the folders before a file's name
FILE = re.compile(r"[^\s/]+\.(?:wav|flac|mp3|ogg|opus)\b")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
MIN_CLUSTERS = 8  # below this a bootstrap over speakers is mostly noise: utterances are drawn instead


@dataclass(frozen=True)
class Difference:
    """After minus before on the utterances that both have. `value`, `low`, `high` in the metric's own unit.

    `ratio`, `ratio_low`, `ratio_high` are set for timings. `p` is two-sided and uncorrected. `pairs` counts utterances.
    `unit` says what was resampled: 'speaker' or 'utterance'.
    """

    metric: str
    before: float | None
    after: float | None
    value: float | None
    low: float | None
    high: float | None
    p: float
    pairs: int
    unit: str = "utterance"
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None


# --- one number of one system -------------------------------------------------------------------------------------


def cell(
    metric: Metric,
    scores: Sequence[Score],
    clusters: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Cell:
    """The headline number of `scores` with its 95 % interval; `clusters` maps a sample id to its speaker.

    The interval is a percentile bootstrap over whole speakers (over utterances where `resampled` says so), widened
    for few clusters as in Hesterberg 2015, "What teachers should know about the bootstrap", section 3.3.
    A row with an error is failed: with a worst-case value it still enters the mean, without one it does not.
    """
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
    groups = _groups([row.sample for row in rows], clusters)
    sums = _sums(values, weights if metric.shown == "corpus" else np.ones_like(weights), groups)
    low, high = interval(_draw_rates(sums, seed, resamples), len(sums))
    value = corpus if metric.shown == "corpus" else mean
    median = float(np.median(values))
    return Cell(metric.name, value, low, high, scored, len(asked), mean, corpus, median, **failures)


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
    """Whether a score enters the mean: it applies, and has a finite value (measured, or the worst case)."""
    return not score.na and score.value is not None and math.isfinite(score.value)


def resampled(ids: Sequence[str], clusters: Mapping[str, str] | None) -> str:
    """What the bootstrap draws: 'speaker' where at least MIN_CLUSTERS speakers are known, else 'utterance'."""
    if clusters is None:
        return "utterance"
    names = {clusters.get(name, "") for name in ids}
    return "speaker" if "" not in names and len(names) >= MIN_CLUSTERS else "utterance"


def interval(draws: np.ndarray, clusters: int, level: float = 0.95) -> tuple[float | None, float | None]:
    """Percentile interval of bootstrap `draws` (n,), widened for few clusters; (None, None) under two clusters."""
    draws = draws[np.isfinite(draws)]
    if clusters < 2 or draws.size == 0:
        return None, None
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(np.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, (1 - level) / 2)))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _columns(rows: Sequence[Score]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([row.value for row in rows], dtype=np.float64)
    return values, np.array([row.weight for row in rows], dtype=np.float64)


def _ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def _groups(ids: Sequence[str], clusters: Mapping[str, str] | None) -> np.ndarray:
    """Group number of each row (n,): its speaker, or itself."""
    if clusters is None or resampled(ids, clusters) == "utterance":
        return np.arange(len(ids))
    return np.unique([clusters[name] for name in ids], return_inverse=True)[1]


def _sums(values: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(clusters, 2): sum of value times weight, and sum of weight, of each group."""
    return np.stack([np.bincount(groups, values * weights), np.bincount(groups, weights)], axis=1)


@lru_cache(maxsize=4)
def _counts(clusters: int, seed: int, resamples: int) -> np.ndarray:
    """(resamples, clusters): how often each cluster was drawn. Cached: every metric of a table uses the same draw."""
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, clusters), dtype=np.float32)
    for row in range(resamples):
        counts[row] = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)
    return counts


def _draw_rates(sums: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """(resamples,) weighted means of the resampled clusters; NaN where a draw has no weight."""
    drawn = _counts(len(sums), seed, resamples) @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(drawn[:, 1] > 0, drawn[:, 0] / drawn[:, 1], np.nan)


# --- two systems on the same utterances ---------------------------------------------------------------------------


def paired(
    metric: Metric,
    before: Sequence[Score],
    after: Sequence[Score],
    clusters: Mapping[str, str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Paired bootstrap of after minus before, clustered by speaker; the interval is 95 %.

    `p` takes the bootstrap's standard error to a Student t with (clusters - 1) degrees of freedom: unlike a count of
    draws beyond zero it has no floor at 1/resamples, so that it survives a correction for many comparisons.
    """
    first, second = both(before, after)
    if not first:
        return Difference(metric.name, None, None, None, None, None, 1.0, 0)
    one, two = (_draw(metric, rows, clusters, seed, resamples) for rows in (first, second))
    if one.point is None or two.point is None:
        return Difference(metric.name, one.point, two.point, None, None, None, 1.0, len(first))
    draws, value = two.draws - one.draws, two.point - one.point
    low, high = interval(draws, one.groups)
    p, unit = _p(value, draws, one.groups), resampled([row.sample for row in first], clusters)
    return Difference(metric.name, one.point, two.point, value, low, high, p, len(first), unit)


@dataclass(frozen=True)
class _Drawn:
    """The headline of some rows: on all of them, and on each bootstrap draw of their groups."""

    point: float | None
    draws: np.ndarray
    groups: int


def _draw(
    metric: Metric, rows: Sequence[Score], clusters: Mapping[str, str] | None, seed: int, resamples: int = RESAMPLES
) -> _Drawn:
    values, weights = _columns(rows)
    groups = _groups([row.sample for row in rows], clusters)
    sums = _sums(values, weights if metric.shown == "corpus" else np.ones_like(weights), groups)
    return _Drawn(_ratio(*map(float, sums.sum(axis=0))), _draw_rates(sums, seed, resamples), len(sums))


def both(before: Sequence[Score], after: Sequence[Score]) -> tuple[list[Score], list[Score]]:
    """The rows of the samples that both sides have a usable value for, in the order of `before`."""
    later = {row.sample: row for row in after if usable(row)}
    first = [row for row in before if usable(row) and row.sample in later]
    return first, [later[row.sample] for row in first]


def _p(value: float, draws: np.ndarray, clusters: int) -> float:
    draws = draws[np.isfinite(draws)]
    if clusters < 2 or draws.size < 2:
        return 1.0
    error = float(draws.std(ddof=1)) * float(np.sqrt(clusters / (clusters - 1)))
    if error <= 1e-12 * max(1.0, abs(value)):  # every cluster moved by the same amount, or none moved
        return 1.0 if abs(value) < 1e-12 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(clusters - 1, -abs(value) / error))


def timings(
    metric: Metric, before: Sequence[Score], after: Sequence[Score], seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Mann-Whitney test and the ratio after / before of the headline values, for timings (which have no pairing).

    The ratio's 95 % interval resamples utterances of each side on its own.
    """
    from scipy.stats import mannwhitneyu

    sides = [[row for row in rows if usable(row)] for rows in (before, after)]
    if not sides[0] or not sides[1]:
        return Difference(metric.name, None, None, None, None, None, 1.0, 0)
    points, draws, columns = [], [], []
    for number, rows in enumerate(sides):
        values, weights = _columns(rows)
        columns.append(values)
        sums = _sums(values, weights if metric.shown == "corpus" else np.ones_like(weights), np.arange(len(rows)))
        points.append(_ratio(*map(float, sums.sum(axis=0))))
        draws.append(_draw_rates(sums, seed + number, resamples))
    pairs = min(len(sides[0]), len(sides[1]))
    if points[0] is None or points[1] is None:
        return Difference(metric.name, points[0], points[1], None, None, None, 1.0, pairs)
    low, high = interval(draws[1] - draws[0], pairs)
    ratio = points[1] / points[0] if points[0] > 0 else None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_low, ratio_high = interval(draws[1] / draws[0], pairs) if ratio is not None else (None, None)
    p = float(mannwhitneyu(columns[0], columns[1]).pvalue)
    value = points[1] - points[0]
    return Difference(
        metric.name, points[0], points[1], value, low, high, p if np.isfinite(p) else 1.0, pairs,
        ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high,
    )  # fmt: skip


def randomisation(
    metric: Metric, before: Sequence[Score], after: Sequence[Score], seed: int = 0, draws: int = 100_000
) -> float:
    """Two-sided p of the paired randomisation test: every utterance's two values are swapped by lot.

    Exact for the hypothesis that the system did not change, however the utterances depend on speakers. Up to 16 changed
    utterances all swaps are counted, beyond that `draws` of them. Source: Good, "Permutation, Parametric, and Bootstrap
    Tests of Hypotheses" (2005), section 3.4.
    """
    first, second = both(before, after)
    columns = [_columns(rows) for rows in (first, second)]
    sums = [np.stack([v * w, w] if metric.shown == "corpus" else [v, np.ones_like(v)], axis=1) for v, w in columns]
    gain = sums[1] - sums[0]
    gain = gain[np.any(gain != 0, axis=1)]
    if not len(gain):
        return 1.0
    totals = [part.sum(axis=0) for part in sums]

    def extreme(swaps: np.ndarray) -> int:
        """How many of the swaps (n, changed) give a difference at least as large as the one observed."""
        moved = swaps @ gain
        one, two = totals[0] + moved, totals[1] - moved
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.abs(two[:, 0] / two[:, 1] - one[:, 0] / one[:, 1])
        return int((drawn >= observed - 1e-12).sum())

    observed = abs(float(totals[1][0] / totals[1][1] - totals[0][0] / totals[0][1]))
    changed = len(gain)
    if changed <= 16:
        numbers = np.arange(2**changed, dtype=np.int64)
        return extreme((numbers[:, None] >> np.arange(changed)) & 1) / 2**changed
    rng, found, done = np.random.default_rng(seed), 0, 0
    while done < draws and found <= 200:  # a p above a tenth needs no further digits
        bits = np.unpackbits(np.frombuffer(rng.bytes(2000 * -(-changed // 8)), np.uint8).reshape(2000, -1), axis=1)
        found, done = found + extreme(bits[:, :changed]), done + 2000
    return (found + 1) / (done + 1)


# --- many comparisons ---------------------------------------------------------------------------------------------


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    adjusted, highest = [1.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def ranks(
    metric: Metric,
    systems: Sequence[Sequence[Score]],
    clusters: Mapping[str, str] | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> list[tuple[int, int] | None]:
    """Best and worst rank each system can hold: systems that do not differ significantly (paired, Holm) share ranks.

    None for a system without a number, and for a metric that has no better direction.
    """
    usable_rows = [[row for row in rows if usable(row)] for rows in systems]
    live = [i for i, rows in enumerate(usable_rows) if metric.better != "neither" and rows]
    ids = [tuple(row.sample for row in rows) for rows in usable_rows]
    drawn = {i: _draw(metric, usable_rows[i], clusters, seed) for i in live}
    pairs = [(i, j) for n, i in enumerate(live) for j in live[n + 1 :]]
    values: list[float | None] = []
    p_values = []
    for i, j in pairs:
        one, two = drawn[i], drawn[j]
        if ids[i] == ids[j] and one.point is not None and two.point is not None:  # the same draws serve every pair
            values.append(two.point - one.point)
            p_values.append(_p(two.point - one.point, two.draws - one.draws, one.groups))
        else:
            difference = paired(metric, usable_rows[i], usable_rows[j], clusters, seed)
            values.append(difference.value)
            p_values.append(difference.p)
    better, worse = [0] * len(systems), [0] * len(systems)
    sign = 1 if metric.better == "higher" else -1
    for (i, j), value, p in zip(pairs, values, holm(p_values), strict=True):
        if p < alpha and value is not None:
            winner, loser = (j, i) if value * sign > 0 else (i, j)
            better[loser] += 1
            worse[winner] += 1
    return [(1 + better[i], len(live) - worse[i]) if i in live else None for i in range(len(systems))]
