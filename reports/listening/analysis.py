"""What a panel of raters said: means with intervals, agreement, raters that failed their checks, significance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ttsbench import significance, stats
from ttsbench.agreement import alpha_ordinal
from ttsbench.records import Cell, Metric, Score
from ttsbench.reports.listening.plan import DEGRADED, TRUTH, Design
from ttsbench.reports.listening.scale import Placed, scale
from ttsbench.reports.listening.workbook import Answers
from ttsbench.significance import Difference

ANCHORS = 0.75  # a rater must hear the degraded signal as the worse one in this share of comparisons
REPEATS = 0.6  # and give a repeated item about the same answer this often


@dataclass(frozen=True)
class Rating:
    """One answer joined with the key. `value` is a number; in pairs it is how much the second system is better."""

    rater: str
    item: str
    sample: str
    category: str
    systems: tuple[str, ...]
    role: str
    value: float
    repeats: str = ""


@dataclass(frozen=True)
class Rater:
    """A rater's checks; None where there was nothing to check. `kept` says whether the answers count."""

    name: str
    answers: int
    anchors: float | None
    repeats: float | None

    @property
    def kept(self) -> bool:
        low = self.anchors is not None and self.anchors < ANCHORS
        return not low and (self.repeats is None or self.repeats >= REPEATS)

    @property
    def why(self) -> str:
        reasons = []
        if self.anchors is not None and self.anchors < ANCHORS:
            reasons.append(
                f"heard the degraded signal as worse in {_percent(self.anchors)} of comparisons "
                f"({_percent(ANCHORS)} needed)"
            )
        if self.repeats is not None and self.repeats < REPEATS:
            reasons.append(
                f"answered repeated items alike in {_percent(self.repeats)} of cases ({_percent(REPEATS)} needed)"
            )
        return "; ".join(reasons)


@dataclass(frozen=True)
class Result:
    """Everything that an import found. `cells` are by system (or pair) and category; '' is all categories together.

    `scale`: where pairs were compared, the systems on one scale, or `no_scale` says why there is none. `counted`: the
    raters whose answers it is all made of.
    """

    design: Design
    metric: Metric
    raters: list[Rater]
    alpha: float | None
    categories: list[str]
    cells: dict[str, dict[str, Cell]]
    pairs: list[tuple[str, str, Difference, float]]
    problems: list[str] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    scale: list[Placed] = field(default_factory=list)
    no_scale: str = ""
    counted: tuple[str, ...] = ()


def join(answers: Sequence[Answers], key: Mapping[str, Any], design: Design) -> tuple[list[Rating], list[str]]:
    """Answers with the key's facts; problems of every sheet, and those that only the key shows."""
    ratings, problems, seen = [], [], set()
    for sheet in answers:
        problems += sheet.problems
        known = key["items"].get(sheet.rater)
        if sheet.study != key["study"] or known is None:
            if sheet.values:
                problems.append(f"sheet of {sheet.rater or 'an unnamed rater'}: belongs to study {sheet.study!r}, "
                                f"the key to {key['study']!r}; none of it is used")  # fmt: skip
            continue
        if sheet.rater in seen:
            problems.append(f"sheet of {sheet.rater}: handed in twice; the first one counts")
            continue
        seen.add(sheet.rater)
        for item, value in sheet.values.items():
            if item not in known:
                problems.append(f"sheet of {sheet.rater}: item {item} is not in the key")
                continue
            ratings.append(_rating(sheet.rater, item, value, known[item], design))
    return ratings, problems


def _rating(rater: str, item: str, value: str, facts: Mapping[str, Any], design: Design) -> Rating:
    number = {"A": -1.0, "none": 0.0, "B": 1.0}[value] if design.name == "ab" else float(value)
    systems = tuple(facts["systems"])
    if design.pairs and systems != tuple(sorted(systems)):
        systems, number = systems[::-1], -number
    return Rating(
        rater, item, facts["sample"], facts["category"], systems, facts["role"], number, facts.get("repeats", "")
    )


def analyse(
    answers: Sequence[Answers], key: Mapping[str, Any], design: Design, keep_all: bool = False, seed: int = 0
) -> Result:
    """Join, check the raters, and estimate. Raters that fail their checks are left out unless `keep_all`."""
    ratings, problems = join(answers, key, design)
    raters = [
        check(name, [r for r in ratings if r.rater == name], design) for name in sorted({r.rater for r in ratings})
    ]
    kept = {rater.name for rater in raters if rater.kept or keep_all}
    rated = [rating for rating in ratings if rating.role == "rated" and rating.rater in kept]
    low, high = (-1.0, 1.0) if design.name == "ab" else (float(design.scale[0][0]), float(design.scale[-1][0]))
    metric = Metric("rating", design.question, "points", "higher", low, high, "ratings", design.question)
    names = sorted({_name(rating) for rating in rated})
    groups = {name: _scores(rated, name) for name in names}
    if not design.pairs:  # the best first
        groups = dict(sorted(groups.items(), key=lambda group: -np.mean([s.value for s in group[1]])))
    categories = sorted({rating.category for rating in rated if rating.category})
    where = {rating.sample: rating.category for rating in rated}
    cells = {
        name: {
            cut: stats.cell(metric, [s for s in scores if not cut or where[s.sample] == cut], seed=seed)
            for cut in ("", *categories)
        }
        for name, scores in groups.items()
    }
    pairs = _pairs(metric, groups, design, seed)
    placed, why = (
        scale([(r.sample, r.systems[0], r.systems[1], r.value) for r in rated], seed) if design.pairs else ([], "")
    )
    counted = tuple(sorted({rating.rater for rating in rated}))
    return Result(
        design, metric, raters, agreement(rated), categories, cells, pairs, problems, ratings, placed, why, counted
    )


def _name(rating: Rating) -> str:
    return " against ".join(rating.systems)


def _scores(ratings: Sequence[Rating], name: str) -> list[Score]:
    """One score a sentence: the mean over its raters."""
    groups: dict[str, list[float]] = {}
    for rating in ratings:
        if _name(rating) == name:
            groups.setdefault(rating.sample, []).append(rating.value)
    return [Score(sample, float(np.mean(values))) for sample, values in groups.items()]


def _pairs(
    metric: Metric, groups: Mapping[str, list[Score]], design: Design, seed: int
) -> list[tuple[str, str, Difference, float]]:
    """(first, second, difference, Holm-adjusted p) of every two systems: second minus first."""
    found = []
    if design.pairs:
        for name, scores in groups.items():
            first, second = name.split(" against ", 1)
            level = [replace(score, value=0.0) for score in scores]
            found.append((first, second, significance.paired(metric, level, scores, seed=seed)))
    else:
        for first, second in itertools.combinations(groups, 2):
            found.append((first, second, significance.paired(metric, groups[first], groups[second], seed=seed)))
    adjusted = significance.holm([difference.p for _, _, difference in found])
    return [(*each, p) for each, p in zip(found, adjusted, strict=True)]


def agreement(rated: Sequence[Rating]) -> float | None:
    """Krippendorff's ordinal alpha over what was rated: a unit is a sentence spoken by a system (or a pair)."""
    raters = {name: row for row, name in enumerate(sorted({rating.rater for rating in rated}))}
    keys = dict.fromkeys((rating.sample, rating.systems) for rating in rated)
    units = {key: column for column, key in enumerate(keys)}
    table = np.full((len(raters), len(units)), np.nan)
    for rating in rated:
        table[raters[rating.rater], units[rating.sample, rating.systems]] = rating.value
    return alpha_ordinal(table) if table.size else None


def check(name: str, ratings: Sequence[Rating], design: Design) -> Rater:
    """One rater's anchors and repeats."""
    return Rater(name, len(ratings), _anchors(ratings, design), _repeats(ratings, design))


def _anchors(ratings: Sequence[Rating], design: Design) -> float | None:
    """Share of comparisons in which the degraded signal is the worse one; a tie counts half."""
    bad = [rating for rating in ratings if rating.role == "anchor"]
    if not bad:
        return None
    if design.pairs:  # the value says how much the second of the sorted names is better
        gaps = [rating.value if rating.systems[0] == DEGRADED else -rating.value for rating in bad]
    else:
        best = [r.value for r in ratings if r.role == "rated" and r.systems == (TRUTH,)]
        good = best or [rating.value for rating in ratings if rating.role == "rated"]
        gaps = [one - two.value for one in good for two in bad]
    return float(np.mean([1.0 if gap > 0 else 0.5 if gap == 0 else 0.0 for gap in gaps])) if gaps else None


def _repeats(ratings: Sequence[Rating], design: Design) -> float | None:
    """Share of repeated items answered alike: the same on three steps, at most one step apart on longer scales."""
    first = {rating.item: rating.value for rating in ratings}
    again = [(rating, first[rating.repeats]) for rating in ratings if rating.repeats in first]
    if not again:
        return None
    slack = 0.0 if len(design.scale) <= 3 else 1.0
    return float(np.mean([abs(rating.value - before) <= slack for rating, before in again]))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
