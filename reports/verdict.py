"""Who is best, and how sure that is: a sentence a question for the first lines of a page."""

from __future__ import annotations

from dataclasses import dataclass

from ttsbench import significance
from ttsbench.names import parted
from ttsbench.records import Metric
from ttsbench.reports.breakdown import headline_metrics
from ttsbench.reports.tables import Entry, Table
from ttsbench.reports.values import interval, number

RECOGNISER_ERRS = 0.10  # word errors on the recordings themselves above which the recogniser is too blunt
QUESTIONS = {
    "intelligibility": "Intelligible?",
    "similarity": "The same voice?",
    "quality": "Natural?",
    "speed": "Fast?",
}


@dataclass(frozen=True)
class Verdict:
    """One question's answer: the leader with its value, and what can be said of the others."""

    question: str
    metric: Metric
    leader: str
    value: str
    said: str


def verdicts(table: Table) -> list[Verdict]:
    """A verdict for the first metric of each family, speed included, that has a number and a better direction."""
    speed = [metric for metric in table.measured if metric.family == "speed" and metric.better != "neither"][:1]
    found = [_verdict(table, metric) for metric in [*headline_metrics(table), *speed]]
    return [each for each in found if each is not None]


def _verdict(table: Table, metric: Metric) -> Verdict | None:
    sign = 1.0 if metric.better == "lower" else -1.0
    having = [(sign * v, e) for e in table.systems if (v := e.cells[metric.name].value) is not None]
    order = [entry for _, entry in sorted(having, key=lambda pair: pair[0])]
    if not order:
        return None
    leader, unit = order[0], f" {metric.unit}" if metric.unit else ""
    cell = leader.cells[metric.name]
    spread = interval(metric, cell.low, cell.high)
    value = f"{number(metric, cell.value)}{unit}" + (f" ({spread})" if spread else "")
    parts = [_ahead(table, metric, order), _to_truth(metric, leader)]
    family = QUESTIONS.get(metric.family, metric.family.capitalize())
    return Verdict(family, metric, leader.name, value, "; ".join(filter(None, parts)))


def _ahead(table: Table, metric: Metric, order: list[Entry]) -> str:
    """The gap from the leader to the next, or whom it cannot be told from (paired, Holm, 5 %)."""
    if len(order) < 2:
        return ""
    places = significance.ranks(metric, [entry.scores[metric.name] for entry in order], table.clusters)
    equal = [entry.name for entry, place in zip(order[1:], places[1:], strict=True) if place and place[0] == 1]
    if equal:
        some = ", ".join(equal[:3]) + (f" and {len(equal) - 3} more" if len(equal) > 3 else "")
        return f"not separable from {some}"
    first, second = order[0], order[1]
    gap = significance.paired(metric, first.scores[metric.name], second.scores[metric.name], table.clusters)
    if gap.value is None:
        return f"next is {second.name}"
    spread = (
        interval(metric, *sorted((abs(gap.low), abs(gap.high)))) if gap.low is not None and gap.high is not None else ""
    )
    return f"{number(metric, abs(gap.value))} ahead of {second.name}" + (f" ({spread})" if spread else "")


def _to_truth(metric: Metric, leader: Entry) -> str:
    excess = leader.excess.get(metric.name)
    return f"{number(metric, excess.value, sign=True)} against the recordings" if excess else ""


def recogniser_errs(table: Table) -> str:
    """A warning where word errors cannot be trusted: the recordings fail too, or a system beats them beyond chance."""
    metric = next((m for m in headline_metrics(table) if m.unit == "%" and m.better == "lower"), None)
    if metric is None or table.truth is None:
        return ""
    own = table.truth.cells[metric.name].value
    high = own is not None and own > RECOGNISER_ERRS
    beat = [
        entry.name
        for entry in table.systems
        if (gap := entry.excess.get(metric.name)) and gap.high is not None and gap.high < 0
    ]
    if not high and not beat:
        return ""
    parts = [f"on the recordings themselves {metric.title} is {number(metric, own)} %"] if high else []
    parts += [f"{', '.join(beat)} scored better than the recordings, beyond chance"] if beat else []
    return f"The recogniser errs here: {'; '.join(parts)}. Read differences in {metric.title} with care."


def facts(table: Table) -> list[str]:
    """Rows, speakers, date, machine, code and protocol, each as the runs state them."""
    voices = len(set(table.clusters.values()) - {""})
    spoken = {parted(sample.id) for sample in table.samples}
    seeds, count = len({seed for _, seed in spoken}), len({name for name, _ in spoken})
    found = [
        f"{count} utterances"
        + (f" with {seeds} seeds each" if seeds > 1 else "")
        + (f", {voices} speakers" if voices > 1 else "")
    ]
    infos = [entry.run.info for entry in table.entries]
    days = sorted({str(info["started"])[:10] for info in infos if info.get("started")})
    found += [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"] if days else []
    machines = {str(m.get("processor") or m.get("name")) for info in infos if (m := info.get("machine"))}
    found += (
        [", ".join(sorted(machines))] if 0 < len(machines) < 3 else [f"{len(machines)} machines"] if machines else []
    )
    codes = {str(c.get("commit") or c.get("version"))[:10] for info in infos if (c := info.get("code"))}
    found += [f"ttsbench {', '.join(sorted(codes))}"] if codes else []
    return [*found, f"{table.protocol['name']} version {table.protocol['version']}"]
