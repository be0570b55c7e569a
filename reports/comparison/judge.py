"""Did it get worse? Two gates must both open: a practical threshold per metric, and statistical significance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench import significance, stats
from ttsbench.names import parted
from ttsbench.records import Metric, Score
from ttsbench.reports import verdict
from ttsbench.reports.comparison import power
from ttsbench.reports.comparison.comparable import not_comparable, other_testset, other_versions, pairs_of
from ttsbench.reports.comparison.result import EXACT, LARGE, Comparison, Row, Worse
from ttsbench.reports.comparison.thresholds import Threshold, by_metric, default_threshold, exceeds
from ttsbench.reports.reasons import reasons_text
from ttsbench.reports.tables import ReportError, card_of, find, speakers, testset_of
from ttsbench.reports.values import amount, number, scale, value_text
from ttsbench.significance import Difference
from ttsbench.store import Run

ALPHA = 0.01
FEW = 30  # of fewer speakers (or utterances) no bootstrap is taken: the exact paired test decides
LARGE_P = 1 / 16  # proof of a large change: at least five utterances, all in one direction (exact, not corrected)
SHOWN_WORSE = 20


def compare(
    base: Sequence[Path | str],
    new: Sequence[Path | str],
    thresholds: Mapping[str, Threshold] | None = None,
    alpha: float = ALPHA,
    limits: Mapping[tuple[str, str, str], float] | None = None,
    across_machines: bool = False,
    seed: int = 0,
    same: bool = False,
) -> Comparison:
    """Judge every metric that both sides have. `limits` come from a calibration: (test set, protocol, metric) -> limit.

    The chance that an unchanged system raises any alarm is at most `alpha` (Holm over all metrics compared).
    `same` is for scores of the same audio: a change beyond its threshold fails in either direction, significant or not.
    """
    pairs, notes = pairs_of(find(base), find(new))
    known = {metric.name for _, run in pairs for name in run.protocols() for metric in run.metrics(name)}
    thresholds = by_metric(thresholds or {}, known | {"failures"})
    rows: list[Row] = []
    void = []
    several = len({card_of(before)["name"] for before, _ in pairs}) > 1
    for before, after in pairs:
        own = _pair_rows(before, after, thresholds, across_machines, seed, same)
        notes += [f"{after.path.name} was not scored with {name}" for name in before.protocols()
                  if name not in after.protocols()]  # fmt: skip
        shared = [name for name in before.protocols() if name in after.protocols()]
        notes += dict.fromkeys(note for name in shared for note in other_versions(before, after, name))
        measured = [row for row in own if row.metric is not FAILURES]
        if all(row.mark == "x" for row in measured):
            why = measured[0].reason if measured else "no protocol that both were scored with"
            void.append(f"{after.path.name} ({why})")
        rows += [replace(row, system=card_of(before)["name"] if several else "") for row in own]
    tested = [index for index, row in enumerate(rows) if row.tested]
    adjusted = significance.holm([rows[index].p for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        rows[index] = _judged(rows[index], p, alpha / len(tested), p < alpha or same, limits or {}, same)
    names = [card_of(side[0])["name"] for side in zip(*pairs, strict=True)]
    label = [f"{name} ({Path(where[0]).name})" for name, where in zip(names, (base, new), strict=True)]
    label = names if names[0] != names[1] else label
    if label[0] == label[1] or several:
        label = [str(base[0]), str(new[0])]
    made = tuple(", ".join(verdict.made([run.info for run in side])) for side in zip(*pairs, strict=True))
    return Comparison(label[0], label[1], rows, alpha, list(dict.fromkeys(notes)), same, tuple(void), made)


def _pair_rows(
    before: Run, after: Run, thresholds: Mapping[str, Threshold], across_machines: bool, seed: int, same: bool
) -> list[Row]:
    """The rows of one run against another, not yet judged."""
    rows = [_failures(before, after, thresholds.get("failures", Threshold("abs", 0)))]
    for protocol in before.protocols():
        if protocol in after.protocols():
            rows += _protocol_rows(before, after, protocol, thresholds, across_machines, seed, same)
    return rows


FAILURES = Metric("failures", "Failed rows", "", "lower", 0, None, "coverage", "utterances without usable speech")


def _failures(before: Run, after: Run, threshold: Threshold) -> Row:
    """Rows without speech, counted: no test is needed to call a new failure a failure."""
    reason = other_testset(before, after)
    if reason:
        return Row(testset_of(before)["name"], "", FAILURES, "x", reason=reason)
    if threshold.kind == "off":
        return Row(testset_of(before)["name"], "", FAILURES, "o", threshold=threshold)
    if threshold.kind == "ratio":
        raise ReportError(f"--fail-on failures:{threshold}: rows are counted; write failures:2abs or failures:off")
    lost = [{key for key, row in run.syntheses.items() if row.error} for run in (before, after)]
    failing = tuple(sorted(lost[1] - lost[0]))
    mark = "!" if len(failing) > threshold.amount else "*" if lost[0] - lost[1] and not failing else "="
    count = len(before.samples)
    difference = Difference("failures", len(lost[0]), len(lost[1]), len(lost[1]) - len(lost[0]), None, None, 1.0, count)
    held = f"{len(failing)} newly failing, {threshold.amount:g} allowed" if failing else "none newly failing"
    holds = held if mark == "=" else ""
    return Row(
        testset_of(before)["name"],
        "",
        FAILURES,
        mark,
        difference,
        threshold,
        reason="counted",
        failing=failing,
        holds=holds,
    )


def _protocol_rows(
    before: Run, after: Run, protocol: str, thresholds: Mapping[str, Threshold], across_machines: bool, seed: int,
    same: bool,
) -> list[Row]:  # fmt: skip
    testset = testset_of(before)
    later = {metric.name: metric for metric in after.metrics(protocol)}
    clusters = speakers(before.samples)
    rows = []
    for metric in before.metrics(protocol):
        if metric.better == "neither":  # a diagnostic cannot get worse, and would only use up significance
            continue
        row = Row(
            testset["name"], protocol, metric, "=", threshold=thresholds.get(metric.name) or default_threshold(metric)
        )
        if row.threshold.kind == "off":
            rows.append(replace(row, mark="o"))
            continue
        reason = not_comparable(before, after, protocol, metric, later.get(metric.name), across_machines)
        if reason:
            rows.append(replace(row, mark="x", reason=reason))
            continue
        scores = before.scores(protocol, metric.name), after.scores(protocol, metric.name)
        if all(score.na for side in scores for score in side):
            continue
        allowed = thresholds.get("failures", Threshold("abs", 0))
        most = math.inf if allowed.kind == "off" else allowed.amount
        rows.append(_tested(row, scores, clusters, (before, after), seed, same, most))
    return rows


def _values(metric: Metric, scores: tuple[list[Score], list[Score]]) -> tuple[str, str]:
    """The values of both sides as they are shown where they are not compared: those of a busy machine in brackets."""
    before, after = (value_text(metric, stats.cell(metric, side, resamples=1)) for side in scores)
    return before, after


def _tested(
    row: Row,
    scores: tuple[list[Score], list[Score]],
    clusters: dict[str, str],
    runs: tuple[Run, Run],
    seed: int,
    same: bool,
    allowed: float,
) -> Row:
    works = [any(stats.usable(score) for score in side) for side in scores]
    crowded = [name for name, side in zip(("BASE", "NEW"), scores, strict=True) if any(score.busy for score in side)]
    if crowded and not all(works):
        reason = f"{' and '.join(crowded)} timed while other programs used the machine"
        return replace(row, mark="x", reason=reason, unjudged=_values(row.metric, scores))
    if works[0] != works[1]:
        side = "NEW" if works[0] else "BASE"
        why = reasons_text(stats.tally(score.error for score in scores[works[0]]))
        gone = tuple(score.sample for score in scores[1] if score.error)
        reason = f"no number in {side}" + (f": {why}" if why else "")
        return replace(row, mark="!" if works[0] else "*", failing=gone, reason=reason)
    if not works[0]:
        return replace(row, mark="x", reason="no number on either side")
    worse = _worse(row.metric, scores, runs, same)
    row = _partly_failing(row, scores, runs, allowed)
    if row.metric.family == "speed":
        difference = significance.timings(row.metric, *scores, seed=seed)
        return replace(row, difference=difference, p=difference.p, test="Mann-Whitney test", worse=worse)
    difference = significance.paired(row.metric, *scores, clusters, seed=seed)
    exact = significance.randomisation(row.metric, *scores, seed=seed)
    rows, _ = significance.both(*scores)
    whose = clusters if difference.unit == "speaker" else {each.sample: parted(each.sample)[0] for each in rows}
    units = len({whose[each.sample] for each in rows})
    p, test = (exact, EXACT) if units < FEW else (difference.p, f"paired bootstrap over {units} {difference.unit}s")
    return replace(
        row, difference=difference, p=p, exact=exact, test=test, worse=worse, scatter=power.scatter(row.metric, *scores)
    )


def _partly_failing(row: Row, scores: tuple[list[Score], list[Score]], runs: tuple[Run, Run], allowed: float) -> Row:
    """Marked as newly failing where more than `allowed` rows lost their number although they have speech."""
    silent = {key for key, spoken in runs[1].syntheses.items() if spoken.error}
    had = {score.sample for score in scores[0] if stats.usable(score)}
    gone = [s for s in scores[1] if s.error and s.value is None and s.sample in had and s.sample not in silent]
    if len(gone) <= allowed:
        return row
    why = reasons_text(stats.tally(score.error for score in gone))
    return replace(row, mark="!", failing=tuple(s.sample for s in gone), reason=f"no number in NEW: {why}")


def _worse(
    metric: Metric, scores: tuple[list[Score], list[Score]], runs: tuple[Run, Run], same: bool
) -> tuple[Worse, ...]:
    """The utterances that got worse (with `same`: that changed), the most first."""
    sign = {"lower": 1.0, "higher": -1.0, "neither": 0.0}[metric.better]
    gaps = []
    for one, two in zip(*significance.both(*scores), strict=True):
        if one.value is None or two.value is None:
            continue
        change = abs(two.value - one.value) if same else (two.value - one.value) * sign
        if change > 0:
            gaps.append((change, one, two))
    gaps.sort(key=lambda gap: -gap[0])
    samples = {sample.id: sample for sample in runs[0].samples}
    spoken = [run.syntheses for run in runs]
    found = []
    for _, one, two in gaps[:SHOWN_WORSE]:
        audios = [run.audio(rows[one.sample]) if one.sample in rows else None
                  for run, rows in zip(runs, spoken, strict=True)]  # fmt: skip
        found.append(Worse(samples[one.sample], one, two, *audios))
    return tuple(found)


def _judged(
    row: Row, p: float, alpha: float, sure: bool, limits: Mapping[tuple[str, str, str], float], same: bool
) -> Row:
    """The row with its mark: `p` is adjusted, `alpha` the level of a single test, `sure` whether `p` suffices."""
    limit = limits.get((row.testset, row.protocol, row.metric.name), 0.0)
    difference = row.difference
    assert difference is not None
    if difference.value is None:
        return replace(row, mark="x", reason="no row has a number on both sides")
    row = replace(row, p=p)
    row = replace(row, can_show=power.least(row, alpha), beyond=exceeds(row.metric, difference, row.threshold, limit))
    reasons = [f"spread over repeated runs is {number(row.metric, limit)}"] if limit else []
    if not row.beyond:
        if row.mark == "!":
            return row
        held = amount(row.metric, abs(difference.value)) if same else power.excluded(row, limit)
        if held:
            return replace(row, mark="=", holds=f"no difference beyond {held}", reason="; ".join(reasons))
        return replace(row, mark="~", reason="; ".join([*reasons, power.said(row, alpha, sure)]))
    large = LARGE.get(row.metric.unit, math.inf) <= abs(difference.value) * scale(row.metric)
    if not sure and large and row.exact <= LARGE_P:
        sure, row = True, replace(row, p=row.exact, test=EXACT)
        reasons.append(f"so large a change counts at p {row.exact:.2g} of the exact paired test, not corrected")
    worse = (difference.value > 0) == (row.metric.better == "lower")
    if row.mark == "!" and not (sure and worse):
        return row
    if not sure:
        return replace(row, mark="~", reason="; ".join([*reasons, power.said(row, alpha, sure)]))
    return replace(row, mark="+" if worse else "-", reason="; ".join([*reasons, row.reason] if row.reason else reasons))
