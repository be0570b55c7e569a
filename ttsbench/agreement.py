"""How far raters agree: Krippendorff's alpha (Krippendorff, Content Analysis, chapter 12)."""

from __future__ import annotations

import numpy as np


def alpha_ordinal(ratings: np.ndarray) -> float | None:
    """Krippendorff's alpha with the ordinal distance; `ratings` (raters, units), NaN where a rater gave none."""
    return krippendorff(ratings, "ordinal")


def krippendorff(ratings: np.ndarray, level: str) -> float | None:
    """Krippendorff's alpha; `level` is 'nominal', 'ordinal' or 'interval'. None where nothing was rated twice.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C (coincidence matrix). Ours,
    because the kept library for it is under the GPL.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    present = np.isfinite(ratings)
    ratings = np.where(present & (present.sum(axis=0) >= 2), ratings, np.nan)
    values = np.unique(ratings[np.isfinite(ratings)])
    if values.size == 0:
        return None
    counts = np.stack([(ratings == value).sum(axis=0) for value in values], axis=1).astype(np.float64)
    size = counts.sum(axis=1)
    counts, size = counts[size >= 2], size[size >= 2]
    weighted = counts / (size - 1)[:, None]
    coincidence = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    totals = coincidence.sum(axis=1)
    distance = _distances(values, totals, level)
    expected = float((np.outer(totals, totals) * distance).sum()) / (totals.sum() - 1)
    if expected == 0:  # every rating is the same: agreement, but nothing to tell apart
        return None
    return 1.0 - float((coincidence * distance).sum()) / expected


def _distances(values: np.ndarray, totals: np.ndarray, level: str) -> np.ndarray:
    """Squared distance between every two values, (n, n)."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    if level != "ordinal":
        raise ValueError(f"level is 'nominal', 'ordinal' or 'interval', not {level!r}")
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2
