"""Several systems on several test sets: the plan, one run after the other, the page. For `run`, `score`, `merge`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttsbench import reports, scoring, thresholds
from ttsbench.benchmark import Plan, limited, repeated, run_one, speaks
from ttsbench.errors import UserError
from ttsbench.execute.lanes import in_lanes, lanes_of
from ttsbench.execute.shards import piece
from ttsbench.identity import card_of
from ttsbench.progress import Progress, duration, number_of
from ttsbench.records import Card, Metric, Sample, TestSet
from ttsbench.reports import reasons, values
from ttsbench.stats import cell
from ttsbench.store import Run
from ttsbench.systems import is_recorded
from ttsbench.testsets import load as load_testset

HEADLINES = (("wer", "cer"), ("sim-o",), ("distillmos", "dnsmos-ovrl"), ("rtf",))  # the first that a run has
LETTERS = {"zh": 4.0, "": 14.0}  # characters of a second of speech; Chinese, and all others
SPEAKING, SCORING = 0.5, 1.5  # core seconds for a second of speech: a guess until the first run is done
REFRESH = 8  # the page is written again when that many times its own time has passed


@dataclass
class Campaign:
    """What is done so far: run folders, and what went wrong besides rows."""

    runs: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def plan_of(options: argparse.Namespace) -> Plan:
    """The options that say how to speak and score."""
    lists = ("protocols", "threshold")
    names = [name for name in Plan.__dataclass_fields__ if name not in lists and hasattr(options, name)]
    protocols = tuple(dict.fromkeys(options.protocol or ("embedded",)))
    threshold = tuple(getattr(options, "threshold", None) or ())
    return Plan(protocols=protocols, threshold=threshold, **{name: getattr(options, name) for name in names})


def bench(plan: Plan, specs: Sequence[str], testsets: Sequence[str], names: Mapping[str, str]) -> Campaign:
    """Speak and score every system on every test set whose language it speaks, the ground truth beside.

    `names`: what a system is called, where that is not its card's name. The page is written after every run. Raises
    UserError for unknown names before anything is spoken; a system that cannot run is a problem of the campaign.
    """
    progress = Progress()
    if plan.transcripts is None:
        for line in scoring.check(plan.protocols, plan.device, plan.metrics):
            progress.say(f"cannot be computed here and will count as failed: {line}")
    else:
        scoring.protocols_of(plan.protocols, plan.metrics)
    known = [*scoring.protocols_of(plan.protocols, plan.metrics), *scoring.protocols_of((), ("cost",))]
    thresholds.check(dict(plan.threshold), known)
    sets = [repeated(limited(load_testset(spec), plan.limit), plan.seeds) for spec in dict.fromkeys(testsets)]
    if plan.shard:
        sets = [piece(testset, *plan.shard) for testset in sets]
    cards = {spec: card_of(spec) for spec in dict.fromkeys(specs)}
    pairs = _pairs(cards, sets, progress)
    _announce(pairs, cards, plan, progress)
    work = _Work(plan, pairs, names, [_seconds(cards.get(spec), testset) for spec, testset in pairs], progress)
    in_lanes(work.lanes, work.do)
    progress.close()
    return work.campaign


class _Work:
    """The runs of a campaign, done in any order, some side by side; the page and the lines about them."""

    def __init__(
        self, plan: Plan, pairs: Sequence[tuple[str, TestSet]], names: Mapping[str, str], seconds: Sequence[float],
        progress: Progress,
    ) -> None:  # fmt: skip
        self.plan, self.pairs, self.names, self.seconds = plan, pairs, names, seconds
        self.lanes = lanes_of([not is_recorded(spec) for spec, _ in pairs], plan.device)
        self.progress = progress if len(self.lanes) == 1 else None
        self.campaign, self.page, self.begun = Campaign(), _Page(plan), time.monotonic()
        self.paths: dict[int, Path] = {}
        self.done: set[int] = set()
        self.lock = threading.Lock()

    def do(self, number: int, device: str, stop: threading.Event) -> None:
        """One run; a system that cannot run is a problem of the campaign."""
        spec, testset = self.pairs[number]
        title = f"{self.names.get(spec, spec)} on {testset.name}"
        progress = self.progress or Progress(bars=False, stop=stop)
        plan, called = replace(self.plan, device=device), self.names.get(spec, "")
        try:
            run = run_one(spec, testset, plan, progress.named(title), called, progress.titled(title))
        except UserError as fault:
            self.campaign.problems.append(f"{title}: {fault}")
            progress.say(f"{title}: failed: {fault}")
        else:
            progress.say(f"{title}: {headline(run)}")
            with self.lock:
                self.paths[number] = run.path
                self.campaign.runs[:] = [self.paths[each] for each in sorted(self.paths)]
                self.page.refresh(self.campaign.runs, progress)
        self._left(number, progress)

    def _left(self, number: int, progress: Progress) -> None:
        """Say how much is left, by what took how long so far."""
        self.done.add(number)
        spoken = sum(self.seconds[each] for each in self.done)
        left = (time.monotonic() - self.begun) / spoken * (sum(self.seconds) - spoken) if spoken else 0.0
        if len(self.done) < len(self.pairs):
            progress.say(f"{len(self.done)} of {len(self.pairs)} done, about {duration(left)} left")


def _pairs(cards: Mapping[str, Card], sets: Sequence[TestSet], progress: Progress) -> list[tuple[str, TestSet]]:
    """Which system speaks which test set."""
    pairs = []
    for testset in sets:
        if "ground-truth" not in cards and _has_other_truth(testset, list(cards)):
            pairs.append(("ground-truth", testset))
        for spec, card in cards.items():
            if speaks(card, testset):
                pairs.append((spec, testset))
            else:
                languages = ", ".join(card.languages)
                progress.say(f"{spec} on {testset.name}: skipped, the system speaks {languages} and the set does not")
    return pairs


def _has_other_truth(testset: TestSet, specs: Sequence[str]) -> bool:
    """Whether there are ground-truth recordings that are not the very files to be scored."""
    folders = [Path(spec.partition(":")[2]).resolve() for spec in specs if spec.startswith("recorded:")]
    truths = [sample.truth.resolve() for sample in testset.samples if sample.truth]
    return any(not any(folder in truth.parents for folder in folders) for truth in truths)


def _announce(pairs: Sequence[tuple[str, TestSet]], cards: Mapping[str, Card], plan: Plan, progress: Progress) -> None:
    """What will be done, and roughly for how long."""
    systems = dict.fromkeys(spec for spec, _ in pairs)
    sets = {testset.name: testset for _, testset in pairs}
    rows = sum(len(_asked(cards.get(spec), testset)) for spec, testset in pairs)
    cores = max(1, plan.score_jobs or os.cpu_count() or 1)
    speech = {pair: _seconds(cards.get(pair[0]), pair[1]) for pair in pairs}
    seconds = sum(s * (SCORING / cores + (spec != "ground-truth") * SPEAKING) for (spec, _), s in speech.items())
    progress.say(f"systems: {', '.join(systems)}")
    progress.say("test sets: " + ", ".join(f"{name} ({len(each.samples)} rows)" for name, each in sets.items()))
    progress.say(f"protocols: {', '.join(plan.protocols)}; {plan.device}, {cores} scoring processes")
    what = f"{number_of(len(pairs), 'run')}, {number_of(rows, 'row')}"
    progress.say(f"{what}, perhaps {duration(seconds)}; they are kept in {plan.out}")


def _asked(card: Card | None, testset: TestSet) -> list[Sample]:
    """The rows that a system is asked for; all of them where it has no card, as the recordings."""
    return [sample for sample in testset.samples if card is None or card.speaks(sample.language)]


def _seconds(card: Card | None, testset: TestSet) -> float:
    """About how many seconds of speech the texts make that a system is asked for."""
    rows = _asked(card, testset)
    return sum(len(sample.text) / LETTERS.get(sample.language, LETTERS[""]) for sample in rows)


class _Page:
    """The page while a campaign goes on; writing it takes a small share of the time."""

    def __init__(self, plan: Plan) -> None:
        self.out, self.title = plan.out, plan.title
        self.took, self.written = 0.0, 0.0

    def refresh(self, runs: Sequence[Path], progress: Progress) -> None:
        """Write the page unless it was written a moment ago; the first time, say where it is."""
        begun = time.monotonic()
        if self.written and begun - self.written < REFRESH * self.took:
            return
        reports.write_report(reports.load(runs), self.out, progress.named("page"), self.title)
        if not self.written:
            progress.say(f"{self.out / 'report.html'} is there, and is written again as runs are done")
        self.written = time.monotonic()
        self.took = self.written - begun


def headline(run: Run) -> str:
    """One line about a run that is done: error rate, similarity, quality and speed, with their intervals."""
    protocol = run.protocols()[0]
    metrics = {metric.name: metric for metric in run.metrics(protocol)}
    clusters = {sample.id: sample.speaker for sample in run.samples}
    parts = []
    for names in HEADLINES:
        for metric in (metrics[name] for name in names if name in metrics):
            text = _figure(run, protocol, metric, clusters)
            if text:
                parts.append(text)
                break
    return "   ".join(parts) or "nothing was measured"


def _figure(run: Run, protocol: str, metric: Metric, clusters: Mapping[str, str]) -> str:
    """'WER 12.3 % [9.1 to 15.0]'; 'SIM-o failed 3 of 24'; '' where the metric does not apply."""
    found = cell(metric, run.scores(protocol, metric.name), clusters)
    parts = [metric.title]
    if found.value is not None:
        parts.append(values.number(metric, found.value) + (f" {metric.unit}" if metric.unit == "%" else ""))
    if found.low is not None:
        parts.append(f"({values.interval(metric, found.low, found.high)})")
    if found.by_seed:
        parts.append(values.seeds_text(metric, found))
    if found.busy_value is not None:
        parts.append(values.value_text(metric, found))
    if found.busy:
        parts.append(values.busy_text(found))
    if found.failed:
        parts.append(f"failed {found.failed} of {found.asked}")
    return " ".join(parts) if len(parts) > 1 else ""


def finish(
    campaign: Campaign, out: Path, as_json: bool = False, tolerated: float = 0.0, plan: Plan | None = None,
    labels: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Write the page and the table, print the table, what failed and where the page is.

    `labels`: what systems or run folders are called instead of their names. Returns 1 where a system could not run or
    is worse than a threshold of the plan, or more than the share `tolerated` of its rows failed: no usable output, or a
    metric without a value; else 0.
    """
    plan = plan or Plan()
    if not campaign.runs:
        return 1
    found = reports.load(campaign.runs, labels)
    progress = Progress()
    page = reports.write_report(found, out, progress.named("page"), plan.title)
    progress.close()
    failed = [each for table in found for each in reasons.failed(table)]
    if as_json:
        print(json.dumps(reports.results(found), ensure_ascii=False, allow_nan=False))
        for each in failed:
            print(each, file=sys.stderr)
    else:
        reports.print_tables(found)
    for problem in campaign.problems:
        print(f"not run: {problem}", file=sys.stderr)
    worse = thresholds.missed(dict(plan.threshold), found)
    for line in worse:
        print(f"worse than its threshold: {line}", file=sys.stderr)
    count = len({entry.run.path for table in found for entry in table.entries})
    sentence = f"{count} run{'s' if count != 1 else ''} scored"
    if rows := sum(each.failed for each in failed if each.what == "speech"):
        sentence += f"; {rows} row{'s have' if rows != 1 else ' has'} no usable output, counted as the worst case"
    if other := sum(each.what != "speech" for each in failed):
        sentence += f"; metrics failed in {other} place{'s' if other != 1 else ''}, as listed above"
    print(f"{sentence}. Open {page}", file=sys.stderr)
    shares = [(table, entry, share) for table in found for entry in table.entries
              if (share := reasons.failed_share(table, entry)) > tolerated and not entry.anchor]  # fmt: skip
    for table, entry, share in shares if tolerated else []:
        said = f"{100 * share:.3g} % of the rows of {entry.name} on {table.testset['name']} failed"
        print(f"{said}: more than the {100 * tolerated:g} % of --fail-on-error", file=sys.stderr)
    return 1 if campaign.problems or worse or shares else 0
