"""What the harness hears while a system is being trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ttsbench import training
from ttsbench.audio import write
from ttsbench.records import Card, Sample


def test_words_and_voice_are_heard_and_failures_count(tmp_path: Path) -> None:
    from ttsbench.voices import VoiceError, speak, voice

    text = "The old farmer walked slowly to the river."
    try:
        said = speak(text, voice("carl"))[0]
    except VoiceError as fault:
        pytest.skip(f"no synthesiser: {fault}")
    prompt = tmp_path / "prompt.wav"
    write(prompt, speak("We were late again this morning.", voice("carl"))[0], 16000)

    class Toy:
        card = Card("toy")

        def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
            if sample.id == "breaks":
                raise RuntimeError("no weights yet")
            if sample.id == "speaks":
                yield said[:8000]
                yield said[8000:]

    samples = [Sample(name, text, prompt=prompt) for name in ("speaks", "breaks", "silent", "speaks")]
    whole = training.hear(Toy(), samples[:1])
    assert whole["wer"] < 0.5 < whole["sim"] and whole["failed"] == 0
    found = training.hear(Toy(), samples)
    assert found == pytest.approx({"wer": (2 * whole["wer"] + 2) / 4, "sim": whole["sim"] / 2, "failed": 0.5}, abs=1e-6)
