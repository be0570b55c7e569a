"""A system as a plain Python class: two members and no base class.

ttsbench run --system python:examples/tone.py:Tone
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttsbench.records import Card, Sample


class Tone:
    """Says every word as a quarter second of tone, a word at a time."""

    card = Card("tone", version="1", sample_rate=16000, streaming=True, licence="Apache-2.0", parameters=0)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        random = np.random.default_rng(seed)
        time = np.arange(self.card.sample_rate // 4) / self.card.sample_rate
        for _ in sample.text.split():
            yield (0.3 * np.sin(2 * np.pi * random.uniform(110, 440) * time)).astype(np.float32)
