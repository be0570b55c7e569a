"""Which runs belong together, and which of their numbers may be compared."""

from __future__ import annotations

from ttsbench.records import Metric
from ttsbench.reports.tables import ReportError, card_of, is_truth, testset_of
from ttsbench.store import Run


def pairs_of(base: list[Run], new: list[Run]) -> tuple[list[tuple[Run, Run]], list[str]]:
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


def not_comparable(
    before: Run, after: Run, protocol: str, metric: Metric, later: Metric | None, across_machines: bool
) -> str:
    """Why two numbers must not be compared, '' where they may."""
    reason = other_testset(before, after)
    if reason:
        return reason
    versions = [run.protocol(protocol).get("version") for run in (before, after)]
    if versions[0] != versions[1]:
        return f"protocol {protocol} changed from version {versions[0]} to {versions[1]}: score BASE again"
    if later is None:
        return f"NEW has no {metric.name}"
    if later.version != metric.version:
        return f"metric {metric.name} changed from version {metric.version} to {later.version}: score BASE again"
    judge = _other_judge(before, after, protocol, metric.name)
    if judge:
        return judge
    if metric.family == "speed" and not across_machines:
        return _other_machine(before, after)
    return ""


VERSIONS = ("version", "runtime")  # of packages: another one is noted, another model is refused


def _judges(before: Run, after: Run, protocol: str, metric: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """(name, identity in BASE, identity in NEW) of the models that both sides kept for a metric."""
    one, two = ((run.protocol(protocol).get("judges") or {}).get(metric) or {} for run in (before, after))
    return [(name, one[name], two[name]) for name in one if one[name] and two.get(name)]


def _other_judge(before: Run, after: Run, protocol: str, metric: str) -> str:
    for name, one, two in _judges(before, after, protocol, metric):
        for key in sorted({*one, *two} - {*VERSIONS}):
            if one.get(key) != two.get(key):
                told = f"{key} {one.get(key) or 'unknown'} and {two.get(key) or 'unknown'}"
                return f"judged by two models: {name} with {told}: score BASE again"
    return ""


def other_versions(before: Run, after: Run, protocol: str) -> list[str]:
    """Notes on the same judges in packages of other versions: their numbers may differ a little."""
    metrics = before.protocol(protocol).get("judges") or {}
    pairs = [pair for metric in metrics for pair in _judges(before, after, protocol, metric)]
    told = {
        f"{protocol}: {name} ran as {one.get(key)} in BASE and {two.get(key)} in NEW; score BASE again to be sure"
        for name, one, two in pairs for key in VERSIONS if one.get(key) != two.get(key)
    }  # fmt: skip
    return sorted(told)


def other_testset(before: Run, after: Run) -> str:
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
