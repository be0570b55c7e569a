"""What the tests of adapters share: a sample, a tone, and all audio that a system gives."""

import numpy as np

from ttsbench.records import Sample, System

HELLO = Sample("hello", "Hello there. How are you today?")


def tone(seconds: float = 0.5, rate: int = 16000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def speak(system: object, sample: Sample = HELLO, seed: int = 0) -> np.ndarray:
    assert isinstance(system, System)
    chunks = list(system.synthesize(sample, seed))
    assert all(chunk.dtype == np.float32 and chunk.ndim == 1 and chunk.size for chunk in chunks)
    audio = np.concatenate(chunks)
    assert np.abs(audio).max() <= 1.0
    return audio
