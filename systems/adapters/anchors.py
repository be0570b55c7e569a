"""Systems that say nothing new and so mark both ends of every scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ttsbench.records import Card, Recorded, Sample, System

SECONDS_PER_CHARACTER = 0.065  # about 15 characters of English a second


class GroundTruth:
    """The test set's own recording: what a perfect imitator would score."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def recording(self, sample: Sample) -> Path | None:
        return sample.truth


class CopyPrompt:
    """The prompt as output: the highest similarity, the wrong words."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def recording(self, sample: Sample) -> Path | None:
        return sample.prompt


class Silence:
    """Digital silence for as long as the text would take."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        seconds = max(1.0, len(sample.text) * SECONDS_PER_CHARACTER)
        yield np.zeros(round(seconds * self.card.sample_rate), dtype=np.float32)


def load(card: Card) -> System | Recorded:
    """The anchor that `card` names."""
    if card.name == "ground-truth":
        return GroundTruth(card)
    return CopyPrompt(card) if card.name == "copy-prompt" else Silence(card)
