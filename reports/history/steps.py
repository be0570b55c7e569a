"""Where a series of values changes its level for good."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

SHORTEST = 3  # values of a level; fewer may be an accident
WIDTH = 0.4  # of the kernel; with PENALTY: at most 2 of 100 series of pure noise, 8 values or more, show a step
PENALTY = 1.0  # times the logarithm of the number of values


def steps(values: Sequence[float]) -> list[int]:
    """Indices at which a new level begins, each level at least three values long. A single outlier is no level.

    Kernel change-point detection (Harchaoui and Cappe 2007; PELT, Killick et al. 2012; package `ruptures`) with a
    Gaussian kernel. Its width follows the median absolute difference of neighbours, or where most are equal, as those
    of an unchanged system are, the least difference.
    """
    import ruptures  # only where there is a history to look at

    found = np.asarray(values, dtype=float)
    if len(found) < 2 * SHORTEST or not np.ptp(found):
        return []
    gaps = np.abs(np.diff(found))
    scatter = float(np.median(gaps)) / 0.954 or float(gaps[gaps > 0].min()) / 4  # .954: of normal noise, in its sigma
    search = ruptures.KernelCPD(kernel="rbf", min_size=SHORTEST, params={"gamma": WIDTH / scatter**2})
    ends = search.fit(found[:, None]).predict(pen=PENALTY * math.log(len(found)))
    return [int(end) for end in ends[:-1]]
