"""Leak check: outputs that are the test set's own recordings."""

from __future__ import annotations

from ttsbench.metrics import items
from ttsbench.records import COPY, Feature, Item, Measure, Metric, Request, Score


def copied() -> Measure:
    """Share of rows whose output is the recording of its text, or the prompt, sample by sample."""
    about = "rows whose output equals its recording or its prompt, sample by sample; no such row was spoken by a system"
    metric = Metric("copied", "Copied", "%", "lower", 0.0, 1.0, "checks", about, headline=False)

    def requests(item: Item) -> tuple[Request, ...]:
        return ()

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item)
        if error:
            return Score(item.sample.id, error=error)
        found = [each for each in item.synthesis.note.split("; ") if each.startswith(COPY)]
        return Score(item.sample.id, float(bool(found)), detail={"checks": found} if found else {})

    return Measure(metric, items.applies, requests, score)


def measures() -> tuple[Measure, ...]:
    """The one column."""
    return (copied(),)
