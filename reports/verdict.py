"""Who is best, and how sure that is: a sentence a question for the first lines of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttsbench import playback, significance
from ttsbench.names import parted
from ttsbench.records import Metric, Synthesis
from ttsbench.reports.breakdown import headline_metrics
from ttsbench.reports.tables import Entry, Table
from ttsbench.reports.values import interval, number

RECOGNISER_ERRS = 0.10  # word errors on the recordings themselves above which the recogniser is too blunt
QUESTIONS = {  # family: the question of its card, and its answer in the sentence above the cards
    "intelligibility": ("Intelligible?", "is the most intelligible"),
    "similarity": ("The same voice?", "is closest to the voice"),
    "quality": ("Natural?", "sounds most natural"),
    "speed": ("Fast?", "is the fastest"),
}


@dataclass(frozen=True)
class Verdict:
    """One question's answer: the leader with its value, what can be said of the others, and who is as good.

    `leader` is empty where every timing was taken on a busy machine; `equals` where the leader is alone in front.
    """

    question: str
    metric: Metric
    leader: str
    value: str
    said: list[str]
    equals: tuple[str, ...] = ()


def verdicts(table: Table) -> list[Verdict]:
    """A verdict for the first metric of each family, speed included, that has a number and a better direction."""
    speed = [m for m in table.columns if m.family == "speed" and m.better != "neither"][:1]
    found = [_verdict(table, metric) for metric in [*headline_metrics(table), *speed]]
    return [each for each in found if each is not None]


def sentence(found: Sequence[Verdict], systems: int) -> str:
    """'A is the most intelligible and is the fastest. Not settled by these rows: ...'; nothing for a lone system."""
    told = [each for each in found if each.leader and each.metric.family in QUESTIONS]
    if systems < 2 or not told:
        return ""
    alone: dict[str, list[str]] = {}
    for each in told:
        if not each.equals:
            alone.setdefault(each.leader, []).append(QUESTIONS[each.metric.family][1])
    parts = [f"{leader} {_and(answers)}" for leader, answers in alone.items()]
    open_ones = [
        f"who {QUESTIONS[each.metric.family][1]} ({_some([each.leader, *each.equals])})" for each in told if each.equals
    ]
    text = "; ".join(parts) + ". " if parts else ""
    return text + (f"These rows do not settle {_and(open_ones, 'nor')}." if open_ones else "")


def _and(parts: Sequence[str], last: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _some(names: Sequence[str], most: int = 3) -> str:
    """'a, b and c'; 'a, b, c and 2 more' where at least two more are left, who would take as much room as a count."""
    if len(names) <= most + 1:
        return _and(names)
    return ", ".join(names[:most]) + f" and {len(names) - most} more"


def _verdict(table: Table, metric: Metric) -> Verdict | None:
    question = QUESTIONS.get(metric.family, (metric.family.capitalize(),))[0]
    sign = 1.0 if metric.better == "lower" else -1.0
    having = [(sign * v, e) for e in table.systems if (v := e.cells[metric.name].value) is not None]
    order = [entry for _, entry in sorted(having, key=lambda pair: pair[0])]
    if not order:
        busy = any(entry.cells[metric.name].busy for entry in table.systems)
        said = ["Every row was timed while other programs used the machine."]
        return Verdict(question, metric, "", "not judged", said) if busy else None
    leader = order[0]
    cell, equals = leader.cells[metric.name], _equals(table, metric, order)
    spread = interval(metric, cell.low, cell.high)
    value = _with_unit(metric, number(metric, cell.value)) + (f" ({spread})" if spread else "")
    said = [_ahead(table, metric, order), _to_truth(metric, leader)]
    said += [begins(leader)] if metric.family == "speed" else []
    said.insert(1, f"Not separable from {_some(equals)}." if equals else "")
    return Verdict(question, metric, leader.name, value, [each for each in said if each], tuple(equals))


def begins(entry: Entry) -> str:
    """How a system begins to be heard: when, how much of that is silence at the head, how often it then stalls, and
    whether it streams. Rows on a busy machine are left out; "" where no chunk was timed."""
    rows = _timed(entry)
    heard = sorted(
        (each.audible, playback.first_chunk(each.chunks) or 0.0) for each in rows if each.audible is not None
    )
    if not heard:
        return ""
    first = heard[len(heard) // 2][0]
    silence = sorted(audible - at for audible, at in heard)[len(heard) // 2]
    stalled = sum(bool(playback.stalls(each.chunks, each.sample_rate)) for each in rows)
    shares = [share for each in rows if (share := playback.first_share(each.chunks, each.total or 0.0)) is not None]
    how = "it streams" if playback.streams(shares) else "it does not stream"
    stops = f", playback stalls on {stalled} of {len(rows)}" if stalled else ""
    return f"Heard after {first:.2f} s at the median, {silence:.2f} s of it silence at the head; {how}{stops}."


def stalling(table: Table) -> str:
    """'Playback would stall: A on 12 of 58 utterances, ...', of every system whose chunks come too late; "" of none."""
    found = []
    for entry in table.systems:
        rows = _timed(entry)
        late = [sum(stalls) for each in rows if (stalls := playback.stalls(each.chunks, each.sample_rate))]
        if late:
            found.append(f"{entry.name} on {len(late)} of {len(rows)} utterances, for {max(late):.2f} s at most")
    return f"Playback would stall: {'; '.join(found)}." if found else ""


def _timed(entry: Entry) -> list[Synthesis]:
    """The rows whose chunks were timed on a machine that was not busy."""
    busy = {score.sample for rows in entry.scores.values() for score in rows if score.busy}
    return [each for name, each in entry.syntheses.items() if each.chunks and each.total and name not in busy]


def _with_unit(metric: Metric, text: str) -> str:
    return text if metric.unit in ("", "cosine", "MOS") else f"{text} {metric.unit}"


def _equals(table: Table, metric: Metric, order: list[Entry]) -> list[str]:
    """Whom the leader cannot be told from (paired, Holm, 5 %)."""
    places = {entry.name: table.ranks[entry.name].get(metric.name) for entry in order[1:]}
    return [name for name, place in places.items() if place and place[0] == 1]


def _ahead(table: Table, metric: Metric, order: list[Entry]) -> str:
    """The gap from the leader to the next, on the utterances that both have, with its interval."""
    if len(order) < 2:
        return ""
    first, second = order[0], order[1]
    gap = significance.paired(metric, first.scores[metric.name], second.scores[metric.name], table.clusters)
    if gap.value is None:
        return f"Next is {second.name}."
    sign = 1.0 if metric.better == "lower" else -1.0
    spread = ""
    if gap.low is not None and gap.high is not None:
        spread = f" ({interval(metric, *sorted((sign * gap.low, sign * gap.high)))})"
    return f"{_gap(metric, sign * gap.value)} ahead of {second.name}{spread}."


def _to_truth(metric: Metric, leader: Entry) -> str:
    excess = leader.excess.get(metric.name)
    if excess is None or excess.value is None:
        return ""
    return f"{_gap(metric, abs(excess.value))} {'below' if excess.value < 0 else 'above'} the recordings."


def _gap(metric: Metric, value: float) -> str:
    """A difference with its unit; rates differ by points."""
    return f"{number(metric, value)} points" if metric.unit == "%" else _with_unit(metric, number(metric, value))


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


def recognisers_disagree(table: Table) -> str:
    """'two recognisers disagree on 12 of 390 rows', over all systems; "" where no second one was asked."""
    rows = [score for entry in table.entries for metric in table.metrics for score in entry.scores[metric.name]]
    asked = [score for score in rows if "second" in score.detail]
    apart = sum("unsure" in score.detail for score in asked)
    return f"two recognisers disagree on {apart} of {len(asked)} rows" if asked else ""


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
    found += made([entry.run.info for entry in table.entries])
    found += [unsure] if (unsure := recognisers_disagree(table)) else []
    return [*found, f"{table.protocol['name']} version {table.protocol['version']}"]


def made(infos: Sequence[Mapping[str, Any]]) -> list[str]:
    """When, on which machine and by which code runs were made: ['2026-11-28', 'AMD EPYC', 'ttsbench 1a2b3c4d5e']."""
    days = sorted({str(info["started"])[:10] for info in infos if info.get("started")})
    found = [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"] if days else []
    machines = {str(m.get("processor") or m.get("name")) for info in infos if (m := info.get("machine"))}
    if machines:
        found.append(", ".join(sorted(machines)) if len(machines) < 3 else f"{len(machines)} machines")
    codes = {str(c.get("commit") or c.get("version"))[:10] for info in infos if (c := info.get("code"))}
    return [*found, *([f"ttsbench {', '.join(sorted(codes))}"] if codes else [])]
