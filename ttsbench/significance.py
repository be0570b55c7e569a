"""Paired tests of two systems, corrections for many tests, and ranks. SciPy only where a distribution is needed.

Everything is seeded, so that the same scores give the same table on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttsbench.names import parted
from ttsbench.records import Metric, Score
from ttsbench.stats import (
    RESAMPLES,
    SeedNoise,
    cluster_sums,
    draw_means,
    draws_variance,
    freedom,
    interval,
    resampled,
    seed_noise,
    usable,
    weighted_mean,
)


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
    draws, value, noise = two.draws - one.draws, two.point - one.point, _added(one, two)
    low, high = interval(draws, one.groups, point=value, noise=noise)
    p, unit = _p(value, draws, one.groups, noise), resampled([row.sample for row in first], clusters)
    return Difference(metric.name, one.point, two.point, value, low, high, p, len(first), unit)


@dataclass(frozen=True)
class _Drawn:
    """The headline of some rows: on all of them, and on each bootstrap draw of their groups; and the seeds' part."""

    point: float | None
    draws: np.ndarray
    groups: int
    noise: SeedNoise


def _added(one: _Drawn, two: _Drawn) -> SeedNoise:
    """The seeds' part of a difference: the seeds of two systems have nothing to do with each other."""
    known = [each.noise.seeds for each in (one, two) if each.noise.seeds > 1]
    return SeedNoise(one.noise.variance + two.noise.variance, min(known, default=1))


def _draw(
    metric: Metric, rows: Sequence[Score], clusters: Mapping[str, str] | None, seed: int, resamples: int = RESAMPLES
) -> _Drawn:
    sums = cluster_sums(metric, rows, clusters)
    noise = seed_noise(metric, rows, clusters)
    return _Drawn(weighted_mean(sums), draw_means(sums, seed, resamples), len(sums), noise)


def both(before: Sequence[Score], after: Sequence[Score]) -> tuple[list[Score], list[Score]]:
    """The rows of the samples that both sides have a usable value for, in the order of `before`."""
    later = {row.sample: row for row in after if usable(row)}
    first = [row for row in before if usable(row) and row.sample in later]
    return first, [later[row.sample] for row in first]


def _p(value: float, draws: np.ndarray, clusters: int, noise: SeedNoise) -> float:
    draws = draws[np.isfinite(draws)]
    if clusters < 2 or draws.size < 2:
        return 1.0
    rows = draws_variance(draws, clusters)
    error = float(np.sqrt(rows + noise.variance))
    if error <= 1e-12 * max(1.0, abs(value)):  # every cluster moved by the same amount, or none moved
        return 1.0 if abs(value) < 1e-12 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(freedom(rows, clusters, noise), -abs(value) / error))


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
    one, two = (_draw(metric, rows, None, seed + number, resamples) for number, rows in enumerate(sides))
    pairs = min(one.groups, two.groups)
    if one.point is None or two.point is None:
        return Difference(metric.name, one.point, two.point, None, None, None, 1.0, pairs)
    low, high = interval(two.draws - one.draws, pairs)
    ratio = two.point / one.point if one.point > 0 else None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_low, ratio_high = interval(two.draws / one.draws, pairs) if ratio is not None else (None, None)
    p = float(mannwhitneyu(*map(_per_utterance, sides)).pvalue)
    return Difference(
        metric.name, one.point, two.point, two.point - one.point, low, high, p if np.isfinite(p) else 1.0, pairs,
        ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high,
    )  # fmt: skip


def _per_utterance(rows: Sequence[Score]) -> list[float]:
    """The values, averaged over the seeds of an utterance: its rows are no independent measurements."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(parted(row.sample)[0], []).append(row.value or 0.0)
    return [sum(values) / len(values) for values in found.values()]


def randomisation(
    metric: Metric, before: Sequence[Score], after: Sequence[Score], seed: int = 0, draws: int = 100_000
) -> float:
    """Two-sided p of the paired randomisation test: every utterance's two values are swapped by lot.

    Exact for the hypothesis that the system did not change, however the utterances depend on speakers. Up to 16 changed
    utterances all swaps are counted, beyond that `draws` of them. Source: Good, "Permutation, Parametric, and Bootstrap
    Tests of Hypotheses" (2005), section 3.4.
    """
    first, second = both(before, after)
    sums = [cluster_sums(metric, rows, None) for rows in (first, second)]
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
            p_values.append(_p(two.point - one.point, two.draws - one.draws, one.groups, _added(one, two)))
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
