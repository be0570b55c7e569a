"""Speaker similarity (SIM): the cosine similarity of two speaker embeddings.

SIM-o compares with the prompt as recorded (a codec round trip: with the recording it began from), SIM-r with the prompt
after the system's own codec. Only numbers of one speaker model can be compared.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ttsbench.errors import UserError
from ttsbench.metrics import items
from ttsbench.metrics.models import short, unpack
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score


def cosine(left: Feature, right: Feature) -> float:
    """Cosine similarity of two packed embeddings, in [-1, 1], in float64; raises UserError for a zero vector."""
    import numpy as np

    one, two = (unpack(each.value).astype(np.float64) for each in (left, right))
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    if size == 0.0:
        raise UserError("a speaker embedding is zero")
    return short(min(1.0, max(-1.0, float(one @ two) / size)))


def sim(
    model: str,
    against: Literal["prompt", "resynthesised prompt", "recording"] = "prompt",
    name: str = "sim-o",
    title: str = "SIM-o",
    settings: tuple[tuple[str, str], ...] = (),
    citation: str = "",
    threshold: float | None = None,
) -> Measure:
    """SIM by one speaker model; in a continuation the prompt is cut off the output first.

    `against`: SIM-o compares with the recorded prompt, SIM-r with the prompt after the system's own codec; "recording":
    with the recording of the same text. `threshold`: the column is the share of rows above it (one speaker or two).
    """
    metric = Metric(
        name=name,
        title=title,
        unit="cosine",
        better="higher",
        low=-1.0,
        high=1.0,
        family="similarity",
        about=f"cosine similarity of the speaker embeddings of output and {against}; speaker model {model}",
        citation=citation,
    )

    if threshold is not None:
        about = f"share of rows whose {metric.about} is above {threshold:g}"
        metric = replace(metric, unit="%", low=0.0, high=1.0, about=about)

    def anchor(item: Item) -> Path | None:
        if against == "resynthesised prompt":
            return item.resynthesis
        if against == "recording":
            return item.sample.truth
        return item.sample.truth if item.sample.task == "resynthesis" else item.sample.prompt

    def na(item: Item) -> str:
        if against == "resynthesised prompt" and item.sample.task == "resynthesis":
            return "the output itself is a codec round trip"
        if anchor(item) is not None:
            return ""
        if against == "resynthesised prompt":
            return "the system gives no prompt after its own codec"
        return f"the sample has no {'recording' if item.sample.task == 'resynthesis' else against}"

    def requests(item: Item) -> tuple[Request, ...]:
        other = anchor(item)
        if item.audio is None or other is None:
            return ()
        return (
            Request(model, item.audio, start=items.start(item), settings=settings),
            Request(model, other, settings=settings),
        )

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or next((each.error for each in features if each.error), "")
        if error:
            return Score(item.sample.id, error=error)
        try:
            value = cosine(*features)
            return Score(item.sample.id, value=value if threshold is None else float(value > threshold))
        except UserError as fault:
            return Score(item.sample.id, error=str(fault))

    return Measure(metric, na, requests, score)
