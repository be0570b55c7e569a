"""Did it get worse? Two gates must both open: a practical threshold per metric, and statistical significance."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ttsbench import stats
from ttsbench.records import Metric, Sample, Score
from ttsbench.reports.tables import ReportError, card_of, find, is_truth, speakers, testset_of
from ttsbench.reports.values import number, scale
from ttsbench.stats import Difference
from ttsbench.store import Run

ALPHA = 0.01
FEW = 30  # of fewer speakers (or utterances) no bootstrap is taken: the exact paired test decides
LARGE = {"%": 20.0, "cosine": 0.2, "MOS": 1.0}  # printed units; a change of this size needs less proof:
LARGE_P = 1 / 16  # that at least five utterances changed, all of them in one direction (exact, not corrected)
SHOWN_WORSE = 20
NOTHING = 0.001  # a factor of less says nothing: stalls of 2 ms where there were none
MARKS = {
    "+": "worse", "-": "better", "!": "newly failing", "*": "newly working", "x": "not comparable",
    "~": "inconclusive", "=": "within the threshold", "o": "switched off",
}  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """How much a change must be to matter: `abs` in printed units, `ratio` as a factor, `off` for never."""

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        return {"abs": f"{self.amount:g}abs", "ratio": f"{self.amount:g}x", "off": "off"}[self.kind]


@dataclass(frozen=True)
class Worse:
    """One utterance that got worse: its values before and after, and where both audios are."""

    sample: Sample
    before: Score
    after: Score
    audio_before: Path | None
    audio_after: Path | None


@dataclass(frozen=True)
class Row:
    """One metric of one test set and protocol, judged. `p` is Holm-adjusted over the whole comparison.

    `test` names the test that `p` is of, `exact` is the p of the exact paired test. `can_show` is the smallest change (in
    the metric's unit) that so many rows with such a scatter can show; `scatter` is the standard error of the change.
    """

    testset: str
    protocol: str
    metric: Metric
    mark: str
    difference: Difference | None = None
    threshold: Threshold = Threshold("off")
    p: float = 1.0
    reason: str = ""
    worse: tuple[Worse, ...] = ()
    failing: tuple[str, ...] = ()
    system: str = ""
    test: str = ""
    can_show: float | None = None
    exact: float = 1.0
    scatter: float | None = None

    @property
    def tested(self) -> bool:
        """Whether `p` is the result of a test."""
        return bool(self.test) and self.mark in "+-~="

    @property
    def where(self) -> str:
        """The test set; with the system's name where several are compared."""
        return f"{self.system} on {self.testset}" if self.system else self.testset

    @property
    def verdict(self) -> str:
        return MARKS[self.mark]


@dataclass(frozen=True)
class Comparison:
    """All rows of BASE against NEW, in the order of test sets, protocols and columns.

    `void` names the runs of which nothing could be compared: they neither pass nor fail, and the gate does not open.
    """

    base: str
    new: str
    rows: list[Row]
    alpha: float
    notes: list[str] = field(default_factory=list)
    same: bool = False
    void: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.regressions and not self.void

    @property
    def regressions(self) -> list[Row]:
        """What fails the gate: what got worse; with `same` also what got better."""
        return [row for row in self.rows if self.fails(row)]

    def fails(self, row: Row) -> bool:
        return row.mark in ("+!-*" if self.same else "+!")

    @property
    def went(self) -> str:
        """What is listed of the utterances."""
        return "changed" if self.same else "got worse"

    def sentence(self) -> str:
        """What the comparison found, in one plain sentence."""
        worse = [f"{row.metric.title} on {row.where} ({row.verdict})" for row in self.regressions]
        not_compared = f" Nothing could be compared of {'; '.join(self.void)}." if self.void else ""
        if worse:
            how = "not the same as" if self.same else "worse than"
            return f"{self.new} is {how} {self.base}: {', '.join(worse)}.{not_compared}"
        if not_compared:
            return not_compared.strip()
        if self.same:
            return f"{self.new} is the same as {self.base}."
        better = sum(row.mark in "-*" for row in self.rows)
        gain = f"; {better} of {len(self.rows)} metrics are better" if better else ""
        open_ = [f"{row.metric.title} on {row.where} ({row.reason})" for row in self.rows if row.mark == "~"]
        doubt = f" Inconclusive: {', '.join(open_)}." if open_ else ""
        return f"{self.new} is not shown to be worse than {self.base}{gain}.{doubt}"


# --- thresholds ---------------------------------------------------------------------------------------------------


def parse_thresholds(text: str) -> dict[str, Threshold]:
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
    """Thresholds by full metric name: `dnsmos` stands for every metric dnsmos-... ReportError for unknown names."""
    found = {}
    for name in sorted(thresholds, key=len):  # the longer name wins
        fitting = [name] if name in known else [each for each in known if each.startswith((f"{name}-", f"{name}_"))]
        if not fitting:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise ReportError(f"--fail-on {name}: no such metric here; {hint}")
        found |= dict.fromkeys(fitting, thresholds[name])
    return found


def default_threshold(metric: Metric) -> Threshold:
    """Half a point of an error rate, 0.02 cosine, 0.05 MOS, 1.2 times for speed, 1.05 times for cost, else 2 %."""
    if metric.better == "neither":
        return Threshold("off")
    if metric.family == "speed":
        return Threshold("ratio", 1.2)
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


# --- comparing ----------------------------------------------------------------------------------------------------


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
    pairs, notes = _pairs(find(base), find(new))
    known = {metric.name for _, run in pairs for name in run.protocols() for metric in run.metrics(name)}
    thresholds = by_metric(thresholds or {}, known | {"failures"})
    rows: list[Row] = []
    void = []
    several = len({card_of(before)["name"] for before, _ in pairs}) > 1
    for before, after in pairs:
        own = _pair_rows(before, after, thresholds, across_machines, seed, same)
        notes += [f"{after.path.name} was not scored with {name}" for name in before.protocols()
                  if name not in after.protocols()]  # fmt: skip
        measured = [row for row in own if row.metric is not FAILURES]
        if all(row.mark == "x" for row in measured):
            why = measured[0].reason if measured else "no protocol that both were scored with"
            void.append(f"{after.path.name} ({why})")
        rows += [replace(row, system=card_of(before)["name"] if several else "") for row in own]
    tested = [index for index, row in enumerate(rows) if row.tested]
    adjusted = stats.holm([rows[index].p for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        rows[index] = _judged(rows[index], p, alpha / len(tested), p < alpha or same, limits or {})
    names = [card_of(side[0])["name"] for side in zip(*pairs, strict=True)]
    label = [f"{name} ({Path(where[0]).name})" for name, where in zip(names, (base, new), strict=True)]
    if label[0] == label[1] or several:
        label = [str(base[0]), str(new[0])]
    return Comparison(label[0], label[1], rows, alpha, notes, same, tuple(void))


def _pair_rows(
    before: Run, after: Run, thresholds: Mapping[str, Threshold], across_machines: bool, seed: int, same: bool
) -> list[Row]:
    """The rows of one run against another, not yet judged."""
    rows = [_failures(before, after, thresholds.get("failures", Threshold("abs", 0)))]
    for protocol in before.protocols():
        if protocol in after.protocols():
            rows += _protocol_rows(before, after, protocol, thresholds, across_machines, seed, same)
    return rows


def _pairs(base: list[Run], new: list[Run]) -> tuple[list[tuple[Run, Run]], list[str]]:
    """Runs that belong together: one each, or by system and test set."""
    if len(base) == 1 and len(new) == 1:
        return [(base[0], new[0])], []

    def key(run: Run) -> tuple[str, str]:
        return card_of(run)["name"], testset_of(run)["name"]

    later = {key(run): run for run in new}
    pairs = [(run, later[key(run)]) for run in base if key(run) in later and not is_truth(run)]
    notes = [f"{run.path.name} is only on one side" for run in (*base, *new)
             if not is_truth(run) and not any(run in pair for pair in pairs)]  # fmt: skip
    if not pairs:
        raise ReportError("BASE and NEW share no system and test set")
    return pairs, notes


FAILURES = Metric("failures", "Failed rows", "", "lower", 0, None, "coverage", "utterances without usable speech")


def _failures(before: Run, after: Run, threshold: Threshold) -> Row:
    """Rows without speech, counted: no test is needed to call a new failure a failure."""
    reason = _other_testset(before, after)
    if reason:
        return Row(testset_of(before)["name"], "", FAILURES, "x", reason=reason)
    lost = [{key for key, row in run.syntheses.items() if row.error} for run in (before, after)]
    failing = tuple(sorted(lost[1] - lost[0]))
    allowed = threshold.amount if threshold.kind == "abs" else float("inf")
    mark = "!" if len(failing) > allowed else "*" if lost[0] - lost[1] and not failing else "="
    count = len(before.samples)
    difference = Difference("failures", len(lost[0]), len(lost[1]), len(lost[1]) - len(lost[0]), None, None, 1.0, count)
    return Row(testset_of(before)["name"], "", FAILURES, mark, difference, threshold, failing=failing, reason="counted")


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
        reason = _not_comparable(before, after, protocol, metric, later.get(metric.name), across_machines)
        if reason:
            rows.append(replace(row, mark="x", reason=reason))
            continue
        scores = before.scores(protocol, metric.name), after.scores(protocol, metric.name)
        if all(score.na for side in scores for score in side):
            continue
        rows.append(_tested(row, scores, clusters, (before, after), seed, same))
    return rows


def _not_comparable(
    before: Run, after: Run, protocol: str, metric: Metric, later: Metric | None, across_machines: bool
) -> str:
    """Why two numbers must not be compared, '' where they may."""
    reason = _other_testset(before, after)
    if reason:
        return reason
    versions = [run.protocol(protocol).get("version") for run in (before, after)]
    if versions[0] != versions[1]:
        return f"protocol {protocol} changed from version {versions[0]} to {versions[1]}: score BASE again"
    if later is None:
        return f"NEW has no {metric.name}"
    if later.version != metric.version:
        return f"metric {metric.name} changed from version {metric.version} to {later.version}: score BASE again"
    if metric.family == "speed" and not across_machines:
        return _other_machine(before, after)
    return ""


def _other_testset(before: Run, after: Run) -> str:
    one, two = testset_of(before), testset_of(after)
    if one["digest"] == two["digest"]:
        return ""
    counts = len(before.samples), len(after.samples)
    if one["name"] != two["name"] or counts[0] != counts[1]:
        return f"the test sets differ: {one['name']} with {counts[0]} rows, {two['name']} with {counts[1]} rows"
    at = next((i for i, (a, b) in enumerate(zip(one["digest"], two["digest"], strict=False)) if a != b), 0)
    ends = (testset["digest"][at : at + 8] or "nothing" for testset in (one, two))
    where = f"{' and '.join(ends)} from sign {at + 1}"
    return f"the test sets differ: two versions of {one['name']} (their digests read {where})"


def _other_machine(before: Run, after: Run) -> str:
    for key in ("name", "processor", "cores"):
        one, two = ((run.info.get("machine") or {}).get(key) for run in (before, after))
        if one != two:
            return f"timings come from different machines ({key} {one} and {two})"
    for key in ("device", "jobs"):
        if before.info.get(key) != after.info.get(key):
            return f"timings were taken with {key} {before.info.get(key)} and {after.info.get(key)}"
    return ""


def _tested(
    row: Row,
    scores: tuple[list[Score], list[Score]],
    clusters: dict[str, str],
    runs: tuple[Run, Run],
    seed: int,
    same: bool,
) -> Row:
    works = [any(stats.usable(score) for score in side) for side in scores]
    if works[0] != works[1]:
        gone = tuple(score.sample for score in scores[1] if score.error)
        return replace(row, mark="!" if works[0] else "*", failing=gone, reason="no number on one side")
    if not works[0]:
        return replace(row, mark="x", reason="no number on either side")
    worse = _worse(row.metric, scores, runs, same)
    if row.metric.family == "speed":
        difference = stats.timings(row.metric, *scores, seed=seed)
        return replace(row, difference=difference, p=difference.p, test="Mann-Whitney test", worse=worse)
    difference = stats.paired(row.metric, *scores, clusters, seed=seed)
    exact = stats.randomisation(row.metric, *scores, seed=seed)
    rows, _ = stats.both(*scores)
    units = len({clusters[each.sample] for each in rows}) if difference.unit == "speaker" else len(rows)
    p, test = (exact, EXACT) if units < FEW else (difference.p, f"paired bootstrap over {units} {difference.unit}s")
    return replace(
        row, difference=difference, p=p, exact=exact, test=test, worse=worse, scatter=_scatter(row.metric, scores)
    )


EXACT = "exact paired test"


def _scatter(metric: Metric, scores: tuple[list[Score], list[Score]]) -> float:
    """Standard error of the mean change of one utterance; 0 where fewer than two are known."""
    pairs = list(zip(*stats.both(*scores), strict=True))
    if len(pairs) < 2:
        return 0.0
    weights = np.array([(a.weight + b.weight) / 2 if metric.shown == "corpus" else 1.0 for a, b in pairs])
    change = np.array([(b.value or 0.0) - (a.value or 0.0) for a, b in pairs]) * weights / max(weights.mean(), 1e-12)
    return float(change.std(ddof=1) / np.sqrt(len(pairs)))


def _shown(row: Row, alpha: float) -> tuple[float | None, str]:
    """The least change that would be significant at `alpha` in this row, and what to say of it."""
    difference = row.difference
    assert difference is not None and difference.value is not None
    count, kind = difference.pairs, "rows"
    needed = math.ceil(1 + math.log2(1 / alpha))
    large = LARGE.get(row.metric.unit)
    if row.test == EXACT and count < needed:
        less = "" if large is None else f" less than {large:g} {'points' if row.metric.unit == '%' else ''}".rstrip()
        least = None if large is None else large / scale(row.metric)
        return least, f"{count} {kind} can show no change{less}: at least {needed} are needed"
    if row.scatter is None:
        return None, "not significant"
    least = max(abs(difference.value), -float(stdtrit(max(count - 1, 1), alpha / 2)) * row.scatter)
    return least, f"{count} {kind} can show no less than {number(row.metric, least)}"


def _worse(
    metric: Metric, scores: tuple[list[Score], list[Score]], runs: tuple[Run, Run], same: bool
) -> tuple[Worse, ...]:
    """The utterances that got worse (with `same`: that changed), the most first."""
    sign = {"lower": 1.0, "higher": -1.0, "neither": 0.0}[metric.better]
    gaps = []
    for one, two in zip(*stats.both(*scores), strict=True):
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


def _judged(row: Row, p: float, alpha: float, sure: bool, limits: Mapping[tuple[str, str, str], float]) -> Row:
    """The row with its mark: `p` is adjusted, `alpha` the level of a single test, `sure` whether `p` suffices."""
    limit = limits.get((row.testset, row.protocol, row.metric.name), 0.0)
    difference = row.difference
    assert difference is not None
    can_show, said = _shown(row, alpha) if difference.value is not None else (None, "")
    reasons = [f"spread over repeated runs is {number(row.metric, limit)}"] if limit else []
    row = replace(row, p=p, can_show=can_show)
    if difference.value is None or not exceeds(row.metric, difference, row.threshold, limit):
        return replace(row, reason="; ".join(reasons))
    large = LARGE.get(row.metric.unit, math.inf) <= abs(difference.value) * scale(row.metric)
    if not sure and large and row.exact <= LARGE_P:
        sure, row = True, replace(row, p=row.exact)
        reasons.append(f"so large a change counts at p {row.exact:.2g} of the exact paired test, not corrected")
        row = replace(row, test=EXACT)
    if not sure:
        return replace(row, mark="~", reason="; ".join([*reasons, said]))
    worse = (difference.value > 0) == (row.metric.better == "lower")
    return replace(row, mark="+" if worse else "-", reason="; ".join(reasons))


def load_calibration(path: Path) -> dict[tuple[str, str, str], float]:
    """(test set, protocol, metric) -> the largest difference that repeated runs of one system show by chance."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())["spread"]
        return {(row["testset"], row["protocol"], row["metric"]): float(row["limit"]) for row in rows}
    except FileNotFoundError as fault:
        raise ReportError(f"{path}: no such calibration file; make one with `ttsbench calibrate`") from fault
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
        raise ReportError(f"{path}: not a calibration file ({fault})") from fault
