"""Where the number comes from: by speaker, by length, by category, and the worst utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttsbench import stats
from ttsbench.records import Cell, Metric, Sample, Score
from ttsbench.reports.tables import Entry, Table


@dataclass(frozen=True)
class Breakdown:
    """One metric over groups of utterances: `rows` are (group, utterances, one cell a system)."""

    title: str
    metric: Metric
    systems: list[str]
    rows: list[tuple[str, int, list[Cell]]]


def length(sample: Sample) -> int:
    """Words of a text; characters where it is written without spaces."""
    return len(sample.text.replace(" ", "")) if sample.language in ("zh", "ja", "th") else len(sample.text.split())


def by_length(samples: Sequence[Sample]) -> dict[str, str]:
    """Sample id to a length band; bands are quartiles, named by their range. Empty where lengths hardly differ."""
    sizes = {sample.id: length(sample) for sample in samples}
    edges = sorted(set(np.quantile(list(sizes.values()), [0.25, 0.5, 0.75]).round().astype(int).tolist()))
    bands: dict[int, list[int]] = {}
    for size in sizes.values():
        bands.setdefault(sum(size > edge for edge in edges), []).append(size)
    if len(bands) < 2:
        return {}
    what = "characters" if all(sample.language in ("zh", "ja", "th") for sample in samples) else "words"
    names = {band: f"{min(found)} to {max(found)} {what}" for band, found in bands.items()}
    return {key: names[sum(size > edge for edge in edges)] for key, size in sizes.items()}


def groupings(samples: Sequence[Sample]) -> list[tuple[str, dict[str, str]]]:
    """The groupings that tell at least two groups apart: (title, sample id to group)."""
    found = [
        ("By category", {sample.id: sample.category for sample in samples if sample.category}),
        ("By language", {sample.id: sample.language for sample in samples}),
        ("By length of text", by_length(samples)),
        ("By speaker", {sample.id: sample.speaker for sample in samples if sample.speaker}),
    ]
    return [(title, groups) for title, groups in found if len(set(groups.values())) > 1]


def breakdown(table: Table, metric: Metric, title: str, groups: dict[str, str]) -> Breakdown:
    """One metric of every system within each group, groups in the order of the test set."""
    names = list(dict.fromkeys(groups[sample.id] for sample in table.samples if sample.id in groups))
    if title == "By length of text":
        names.sort(key=lambda name: int(name.split()[0]))
    clusters = table.clusters
    parts: list[dict[str, list[Score]]] = []
    for entry in table.entries:
        by_group: dict[str, list[Score]] = {name: [] for name in names}
        for score in entry.scores[metric.name]:
            if score.sample in groups:
                by_group[groups[score.sample]].append(score)
        parts.append(by_group)
    counts = Counter(groups.values())
    rows = [
        (name, counts[name], [stats.cell(metric, part[name], clusters, resamples=1000) for part in parts])
        for name in names
    ]
    return Breakdown(title, metric, [entry.name for entry in table.entries], rows)


def headline_metrics(table: Table) -> list[Metric]:
    """The first metric with a direction of each family but speed and cost."""
    groups: dict[str, Metric] = {}
    for metric in table.measured:
        if metric.better != "neither" and metric.family not in ("speed", "cost"):
            groups.setdefault(metric.family, metric)
    return list(groups.values())


def worst(table: Table, entry: Entry, count: int = 10) -> list[tuple[Sample, Score, Metric]]:
    """The utterances a system did worst, by the first metric with a direction; ties go by the following ones."""
    metrics = headline_metrics(table)
    if not metrics:
        return []
    keys: dict[str, list[float]] = {sample.id: [] for sample in table.samples}
    for metric in metrics:
        sign = 1.0 if metric.better == "lower" else -1.0
        values = {s.sample: sign * s.value for s in entry.scores[metric.name] if s.value is not None and not s.na}
        for name, key in keys.items():
            key.append(values.get(name, float("-inf")))
    first = {score.sample: score for score in entry.scores[metrics[0].name]}
    samples = {sample.id: sample for sample in table.samples}
    order = sorted((name for name in keys if name in first and first[name].value is not None), key=lambda n: keys[n])
    return [(samples[name], first[name], metrics[0]) for name in order[::-1][:count]]
