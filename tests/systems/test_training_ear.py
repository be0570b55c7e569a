"""What the harness hears while a system is being trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ttsbench import audio, testsets
from ttsbench.records import Card, Sample
from ttsbench.systems.training import ear


def test_words_and_voice_are_heard_and_failures_count() -> None:
    row = testsets.load("seed-mini").samples[0]
    assert row.truth
    said, text = audio.read_at(row.truth, 16000), row.text

    class Toy:
        card = Card("toy")

        def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
            if sample.id == "breaks":
                raise RuntimeError("no weights yet")
            if sample.id == "speaks":
                yield said[:8000]
                yield said[8000:]

    samples = [Sample(name, text, prompt=row.prompt) for name in ("speaks", "breaks", "silent", "speaks")]
    whole = ear.hear(Toy(), samples[:1])
    assert whole["wer"] < 0.5 < whole["sim"] and whole["failed"] == 0
    found = ear.hear(Toy(), samples)
    assert found == pytest.approx({"wer": (2 * whole["wer"] + 2) / 4, "sim": whole["sim"] / 2, "failed": 0.5}, abs=1e-6)
