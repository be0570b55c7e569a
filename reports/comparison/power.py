"""What so many rows can show: the least change that would be significant, and what an interval leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import comb, stdtrit

from ttsbench import significance
from ttsbench.records import Metric, Score
from ttsbench.reports.comparison.result import EXACT, LARGE, Row
from ttsbench.reports.comparison.thresholds import tolerance
from ttsbench.reports.values import amount, scale

NORMAL = 1.96  # half of a 95 % interval, in standard errors


def scatter(metric: Metric, before: Sequence[Score], after: Sequence[Score]) -> float:
    """Standard error of the mean change of one utterance; 0 where fewer than two are known."""
    pairs = list(zip(*significance.both(before, after), strict=True))
    if len(pairs) < 2:
        return 0.0
    weights = np.array([(a.weight + b.weight) / 2 if metric.shown == "corpus" else 1.0 for a, b in pairs])
    change = np.array([(b.value or 0.0) - (a.value or 0.0) for a, b in pairs]) * weights / max(weights.mean(), 1e-12)
    return float(change.std(ddof=1) / np.sqrt(len(pairs)))


def least(row: Row, alpha: float) -> float | None:
    """The least change that would be significant at `alpha`: in the metric's unit, for timings a factor.

    None where so few rows can show none at all.
    """
    difference = row.difference
    assert difference is not None
    count = difference.pairs
    if row.test == EXACT:
        if count < needed(row, alpha):
            large = LARGE.get(row.metric.unit)
            return None if large is None or count < 5 else large / scale(row.metric)
        return _quantile(count, alpha) * (row.scatter or 0.0)
    low, high = difference.low, difference.high
    if difference.ratio is not None:
        low, high = difference.ratio_low, difference.ratio_high
        if not low or not high or count < needed(row, alpha):
            return None
        return math.exp(_quantile(count, alpha) * math.log(high / low) / (2 * NORMAL))
    if low is None or high is None:
        return None
    return _quantile(count, alpha) * (high - low) / (2 * NORMAL)


def needed(row: Row, alpha: float) -> int:
    """Rows without which the test cannot reach `alpha`, however large the change."""
    if row.test == EXACT:
        return math.ceil(1 + math.log2(1 / alpha))
    if row.metric.family != "speed":
        return 2
    return next(n for n in range(2, 100) if 2 / comb(2 * n, n) <= alpha)


def _quantile(count: int, alpha: float) -> float:
    return -float(stdtrit(max(count - 1, 1), alpha / 2))


def said(row: Row, alpha: float, sure: bool) -> str:
    """'10 rows can show no less than 12.30 points'; `sure`: this row's own change was shown."""
    difference = row.difference
    assert difference is not None
    rows = f"{difference.pairs} row{'' if difference.pairs == 1 else 's'} can show no"
    found, few = row.can_show, difference.pairs < needed(row, alpha)
    if few:
        less = "" if found is None else f" less than {amount(row.metric, found)}"
        return f"{rows} change{less}: at least {needed(row, alpha)} are needed"
    if found is None:
        return f"{rows} change"
    if difference.ratio is not None:
        own = max(difference.ratio, 1 / difference.ratio) if difference.ratio > 0 else 1.0
        return f"{rows} less than {max(found, 1.0 if sure else own):.2f} times"
    return f"{rows} less than {amount(row.metric, max(found, 0.0 if sure else abs(difference.value or 0.0)))}"


def excluded(row: Row, limit: float) -> str:
    """'0.50 points' where no change beyond the threshold is left open, '' where one is.

    It is left open where the 95 % interval reaches beyond it, unless so many rows would have shown such a change.
    """
    difference, threshold = row.difference, row.threshold
    assert difference is not None and difference.value is not None
    if threshold.kind == "ratio" and difference.ratio is not None:
        low, high = difference.ratio_low, difference.ratio_high
        open_ = math.inf if not low or not high else max(high, 1 / low)
        shown = row.can_show is not None and row.can_show <= threshold.amount
        if open_ <= threshold.amount:
            return f"{threshold.amount:g} times"
        return f"{open_:.2f} times" if shown and math.isfinite(open_) else ""
    allowed = max(tolerance(row.metric, difference, threshold), limit)
    ends = [abs(end) for end in (difference.low, difference.high) if end is not None]
    open_ = max(ends) if ends else (0.0 if difference.value == 0 else math.inf)
    if open_ <= allowed:
        return amount(row.metric, allowed)
    shown = row.can_show is not None and row.can_show <= allowed
    return amount(row.metric, open_) if shown and math.isfinite(open_) else ""
