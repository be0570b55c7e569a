"""hibari-tts: models of 7.9 MB distilled from Kokoro. Source: https://github.com/MMWilliams/hibari (Apache-2.0)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttsbench.records import Card, Sample


class System:
    """One voice of the package, sentence by sentence; the default voice is inside the package."""

    card = Card("hibari", sample_rate=24000, languages=("en",), streaming=True, zero_shot=False)

    def __init__(self, voice: str = "heart", threads: int = 1) -> None:
        from hibari import Hibari

        self.model = Hibari(voice=voice, threads=threads)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield a chunk for each sentence."""
        for chunk in self.model.stream(sample.text, seed=seed):
            yield np.asarray(chunk, dtype=np.float32)
