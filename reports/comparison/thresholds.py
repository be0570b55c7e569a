"""How much a change must be to matter: practical thresholds, as defaults and as written by a user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ttsbench.records import Metric
from ttsbench.reports.tables import ReportError
from ttsbench.reports.values import scale
from ttsbench.significance import Difference

NOTHING = 0.001  # a factor of less says nothing: stalls of 2 ms where there were none


@dataclass(frozen=True)
class Threshold:
    """How much a change must be to matter: `abs` in printed units, `ratio` as a factor, `off` for never."""

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        return {"abs": f"{self.amount:g}abs", "ratio": f"{self.amount:g}x", "off": "off"}[self.kind]


def parse(text: str) -> dict[str, Threshold]:
    """'wer:+0.5abs,rtf:1.2x,dnsmos:off' to thresholds by metric. Raises ReportError for anything else."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"([\w.-]+):(?:(off)|[+-]?(\d+(?:\.\d+)?)(abs|x|%))", part)
        if not match:
            raise ReportError(f"--fail-on {part!r}: write METRIC:0.5abs, METRIC:1.2x, METRIC:5% or METRIC:off")
        metric, off, amount, kind = match.groups()
        if off:
            found[metric] = Threshold("off")
        elif kind == "abs":
            found[metric] = Threshold("abs", float(amount))
        else:
            ratio = float(amount) if kind == "x" else 1 + float(amount) / 100
            if ratio < 1:
                raise ReportError(f"--fail-on {part!r}: a factor is at least 1, whichever direction is worse")
            found[metric] = Threshold("ratio", ratio)
    return found


def by_metric(thresholds: Mapping[str, Threshold], known: set[str]) -> dict[str, Threshold]:
    """Thresholds by full metric name: `dnsmos` stands for every metric dnsmos-... Raises ReportError.

    A hyphen and an underscore in a name are the same.
    """
    found: dict[str, Threshold] = {}
    for name in sorted(thresholds, key=len):  # the longer name wins
        wanted = name.replace("_", "-")
        written = {each: each.replace("_", "-") for each in known}
        fitting = [each for each in known if written[each] == wanted]
        fitting = fitting or [each for each in known if written[each].startswith(f"{wanted}-")]
        if not fitting:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise ReportError(f"--fail-on {name}: no such metric here; {hint}")
        found |= dict.fromkeys(fitting, thresholds[name])
    return found


def default_threshold(metric: Metric) -> Threshold:
    """Half a point of an error rate, 0.02 cosine, 0.05 MOS, 5 points of flagged rows, 1.2 times for speed, else 2 %."""
    if metric.better == "neither":
        return Threshold("off")
    if metric.family == "speed":
        return Threshold("ratio", 1.2)
    if metric.family == "checks":  # a rule that points at a row is no measure of quality
        return Threshold("abs", 5.0)
    if metric.family == "cost":
        return Threshold("ratio", 1.05)
    known = {"%": 0.5, "cosine": 0.02, "MOS": 0.05}
    return Threshold("abs", known[metric.unit]) if metric.unit in known else Threshold("ratio", 1.02)


def exceeds(metric: Metric, difference: Difference, threshold: Threshold, limit: float = 0.0) -> bool:
    """Whether the change, in either direction, is beyond the threshold and beyond `limit` (in the metric's unit)."""
    if difference.value is None or threshold.kind == "off" or abs(difference.value) <= limit:
        return False
    if threshold.kind == "abs":
        return abs(difference.value) * scale(metric) > threshold.amount
    before, after = difference.before or 0.0, difference.after or 0.0
    if before * after < 0:  # a sign that changes has no ratio
        return True
    small, large = sorted((abs(before), abs(after)))
    return large > (small * threshold.amount if small > NOTHING else 10 * NOTHING)


def tolerance(metric: Metric, difference: Difference, threshold: Threshold) -> float:
    """The change that the threshold allows, in the metric's unit."""
    if threshold.kind == "abs":
        return threshold.amount / scale(metric)
    small = min(abs(difference.before or 0.0), abs(difference.after or 0.0))
    return small * (threshold.amount - 1) if small > NOTHING else 10 * NOTHING


OFF = Threshold("off")
