"""Run folders to tables: one table per test set and protocol, never mixed; the ground-truth row first."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ttsbench import names, significance, stats
from ttsbench.errors import UserError, unknown
from ttsbench.records import Cell, Metric, Sample, Score, Synthesis
from ttsbench.significance import Difference
from ttsbench.store import Run, file_digest

SPEEDS = ("rtf", "first-audible")  # in the first table of a page
FAMILIES = ("intelligibility", "similarity", "quality", "speed", "cost")
TRUTH = "ground-truth"
ANCHORS = ("copy-prompt", "silence")  # known extremes: shown, never ranked, never best
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class ReportError(UserError):
    """Runs that cannot be reported as asked; the message says which and why."""


@dataclass(frozen=True)
class Entry:
    """One system's row. `excess` is the paired difference from the ground truth, by metric."""

    name: str
    run: Run
    truth: bool
    scores: dict[str, list[Score]]
    cells: dict[str, Cell]
    samples: list[Sample]
    syntheses: dict[str, Synthesis]
    excess: dict[str, Difference] = field(default_factory=dict)

    @property
    def card(self) -> dict[str, Any]:
        return card_of(self.run)

    @property
    def asked(self) -> int:
        """Rows that it was asked for: of a test set in several languages, those in its own."""
        return max((cell.asked for cell in self.cells.values()), default=0)

    @property
    def anchor(self) -> bool:
        """Whether this is a known extreme (the prompt copied, silence) and no system."""
        return (self.run.info.get("system") or {}).get("spec") in ANCHORS


@dataclass(frozen=True)
class Table:
    """All systems on one test set under one protocol. `unit` says what the intervals resample."""

    testset: dict[str, Any]
    protocol: dict[str, Any]
    metrics: list[Metric]
    samples: list[Sample]
    entries: list[Entry]
    unit: str

    @property
    def title(self) -> str:
        testset, protocol = self.testset, self.protocol
        return f"{testset['name']}, scored with {protocol['name']} version {protocol['version']}"

    @property
    def key(self) -> str:
        """A name for files and page anchors."""
        testset, protocol = self.testset, self.protocol
        return f"{testset['name']}-{testset['digest'][:6]}-{protocol['name']}-v{protocol['version']}"

    @property
    def systems(self) -> list[Entry]:
        """What is ranked: neither the recordings nor the anchors."""
        return [entry for entry in self.entries if not entry.truth and not entry.anchor]

    @property
    def truth(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.truth), None)

    @property
    def clusters(self) -> dict[str, str]:
        return speakers(self.samples)

    @functools.cached_property
    def ranks(self) -> dict[str, dict[str, tuple[int, int] | None]]:
        """By system and metric the best and the worst rank that it can hold; None where it has none."""
        found: dict[str, dict[str, tuple[int, int] | None]] = {entry.name: {} for entry in self.entries}
        for metric in [*self.measured, *self.folded]:
            places = significance.ranks(metric, [entry.scores[metric.name] for entry in self.systems], self.clusters)
            for entry, place in zip(self.systems, places, strict=True):
                found[entry.name][metric.name] = place
        return found

    @property
    def first(self) -> dict[str, Entry | None]:
        """By metric, the system that is significantly better than every other; None where several share that rank."""
        return {metric.name: self._first(metric) for metric in self.metrics}

    def _first(self, metric: Metric) -> Entry | None:
        ranked = [entry for entry in self.systems if self.ranks[entry.name].get(metric.name)]
        alone = (entry for entry in ranked if self.ranks[entry.name][metric.name] == (1, 1))
        return next(alone, None) if len(ranked) > 1 else None

    @property
    def essential(self) -> list[Metric]:
        """The columns of a page's first table: the first of each family, and the first that was asked of every row
        where that one was not; of speed the real-time factor and the first sound; nothing of cost."""
        found = []
        for name, group in self.families():
            if name == "speed":
                found += [metric for metric in group if metric.name in SPEEDS]
            elif name != "cost":
                whole = next((metric for metric in group if self._asked(metric) == len(self.samples)), group[0])
                found += [group[0]] if whole is group[0] else [group[0], whole]
        return found

    def _asked(self, metric: Metric) -> int:
        return max(entry.cells[metric.name].asked for entry in self.entries)

    @property
    def columns(self) -> list[Metric]:
        """The metrics that have a number or a failure somewhere, family by family."""
        return [metric for _, group in self.families() for metric in group]

    @property
    def measured(self) -> list[Metric]:
        """The columns that have a number somewhere: what can be drawn and ranked."""
        return [m for m in self.columns if any(entry.cells[m.name].value is not None for entry in self.entries)]

    @property
    def folded(self) -> list[Metric]:
        """Metrics with a number or a failure that are no headline: in the CSV and folded on the page only."""
        return [metric for metric in self.metrics if not metric.headline and self._has(metric)]

    def _has(self, metric: Metric) -> bool:
        cells = (entry.cells[metric.name] for entry in self.entries)
        return any(cell.value is not None or cell.failed or cell.busy for cell in cells)

    def families(self) -> list[tuple[str, list[Metric]]]:
        """Columns by family, families in reading order."""
        live = [metric for metric in self.metrics if metric.headline and self._has(metric)]
        names = [*FAMILIES, *sorted({m.family for m in live} - set(FAMILIES))]
        groups = [(name, [m for m in live if m.family == name]) for name in names]
        return [(name, group) for name, group in groups if group]


def card_of(run: Run) -> dict[str, Any]:
    """What the system says of itself, under the name that the run was given."""
    system = run.info.get("system") or {}
    name = system.get("name") or run.path.name.split("@")[0]
    return {**(system.get("card") or {}), "name": str(name)}


def testset_of(run: Run) -> dict[str, Any]:
    """The test set's name, digest, licence, source and about."""
    blank = {"licence": "", "source": "", "about": "", "digest": "", "name": run.path.name.split("@")[-1]}
    return {**blank, **(run.info.get("testset") or {})}


def is_truth(run: Run, samples: list[Sample] | None = None, spoken: dict[str, Synthesis] | None = None) -> bool:
    """Whether the run holds the test set's own recordings, by name or because its files are those files."""
    spec = str((run.info.get("system") or {}).get("spec"))
    if not spec.startswith("recorded:"):
        return spec == TRUTH
    samples, spoken = samples or run.samples, spoken or run.syntheses
    own = [(sample.truth, spoken[sample.id].digest) for sample in samples if sample.truth and sample.id in spoken]
    return bool(own) and all(path.is_file() and file_digest(path) == digest for path, digest in own[:3])


def speakers(samples: Sequence[Sample]) -> dict[str, str]:
    return {sample.id: sample.speaker for sample in samples}


def find(paths: Sequence[Path | str], scored: bool = True) -> list[Run]:
    """Open run folders; a campaign folder stands for every run directly below it. Raises StoreError or ReportError."""
    folders: list[Path] = []
    for path in (Path(path) for path in paths if not Path(path).is_file()):  # `runs/*` names report.html too
        inside = sorted(found.parent for found in path.glob("*/run.json"))
        folders += [path] if (path / "run.json").exists() or not inside else inside
    runs = [Run.open(folder) for folder in dict.fromkeys(folder.resolve() for folder in folders)]
    if scored and not any(run.protocols() for run in runs):
        raise ReportError(f"no scores in {', '.join(map(str, paths)) or 'no folders'}: run `ttsbench score` first")
    return runs


def tables(runs: Sequence[Run], labels: Mapping[str, str] | None = None) -> list[Table]:
    """One table for every test set (by digest) and protocol (by version) in `runs`; files are read once.

    `labels`: what a system is called, by its name or its run's folder. Raises ReportError for one that no run has.
    """
    labels = labels or {}
    known = dict.fromkeys(name for run in runs for name in (card_of(run)["name"], run.path.name))
    if missing := [name for name in labels if name not in known]:
        raise ReportError(unknown("system or run to label", missing[0], known))
    read = {run.path: (run.samples, run.syntheses) for run in runs}
    groups: dict[tuple[str, str, str, int], list[Run]] = {}
    for run in runs:
        testset = testset_of(run)
        for protocol in run.protocols():
            version = int(run.protocol(protocol).get("version", 1))
            groups.setdefault((testset["name"], testset["digest"], protocol, version), []).append(run)
    return [
        _table(group, protocol, read, labels)
        for (_, _, protocol, _), group in sorted(groups.items(), key=lambda item: item[0])
    ]


Read = dict[Path, tuple[list[Sample], dict[str, Synthesis]]]


def _table(runs: list[Run], protocol: str, read: Read, labels: Mapping[str, str]) -> Table:
    samples = read[runs[0].path][0]
    clusters = speakers(samples)
    cards: dict[str, Metric] = {}
    for run in runs:
        for metric in run.metrics(protocol):
            cards.setdefault(metric.name, metric)
    metrics = list(cards.values())
    entries = [
        _entry(run, name, protocol, metrics, clusters, *read[run.path])
        for run, name in zip(runs, _names(runs, labels), strict=True)
    ]
    truth = next((entry for entry in entries if entry.truth), None)
    if truth:
        entries = [_with_excess(entry, truth, metrics, clusters) for entry in entries]
    entries.sort(key=lambda entry: (not entry.truth, entry.anchor, _order(entry, metrics), entry.name))
    unit = stats.resampled(list(clusters), clusters)
    if any(names.parted(sample.id)[1] for sample in samples):
        unit += "s and seed"  # a page adds the s of the plural
    return Table(testset_of(runs[0]), runs[0].protocol(protocol), metrics, samples, entries, unit)


def _order(entry: Entry, metrics: list[Metric]) -> float:
    """Best first by the first metric, in reading order, that has a better direction; what failed at it comes last."""
    known = {family: at for at, family in enumerate(FAMILIES)}
    judged = [metric for metric in metrics if metric.better != "neither"]
    metric = min(judged, key=lambda metric: known.get(metric.family, len(known)), default=None)
    value = entry.cells[metric.name].value if metric else None
    if metric is None or value is None:
        return float("inf")
    return value if metric.better == "lower" else -value


def _entry(
    run: Run, name: str, protocol: str, metrics: list[Metric], clusters: dict[str, str], samples: list[Sample],
    syntheses: dict[str, Synthesis],
) -> Entry:  # fmt: skip
    own = {metric.name for metric in run.metrics(protocol)}
    scores = {m.name: run.scores(protocol, m.name) if m.name in own else [] for m in metrics}
    cells = {m.name: stats.cell(m, scores[m.name], clusters) for m in metrics}
    return Entry(name, run, is_truth(run, samples, syntheses), scores, cells, samples, syntheses)


def _with_excess(entry: Entry, truth: Entry, metrics: list[Metric], clusters: dict[str, str]) -> Entry:
    if entry.truth:
        return entry
    excess = {}
    for metric in metrics:
        difference = significance.paired(metric, truth.scores[metric.name], entry.scores[metric.name], clusters)
        if difference.value is not None and metric.family not in ("speed", "cost"):
            excess[metric.name] = difference
    return replace(entry, excess=excess)


def _names(runs: Sequence[Run], labels: Mapping[str, str]) -> list[str]:
    """Display names: the label or the card's, told apart by version or folder where two runs share one."""
    own = [(run.path.name, card_of(run)["name"]) for run in runs]
    names = [plain(labels.get(folder) or labels.get(name) or name) for folder, name in own]
    for extra in (lambda run: plain(card_of(run).get("version", "")), lambda run: plain(run.path.name)):
        doubled = {name for name in names if names.count(name) > 1}
        names = [f"{n} ({extra(r)})" if n in doubled and extra(r) else n for n, r in zip(names, runs, strict=True)]
    return names


def plain(text: object) -> str:
    """Text without control and bidirectional override characters: a name cannot move a cursor or turn a line around."""
    return CONTROL.sub("\ufffd", str(text))
