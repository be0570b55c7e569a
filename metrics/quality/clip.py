"""Facts of a clip that no model is needed for: loudness, full-scale samples, pauses, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.metrics.models import one_by_one, short
from ttsbench.playback import AUDIBLE
from ttsbench.records import Feature, Request

BATCH = 64
FRAME = 0.01  # s
FULL = 0.999  # of full scale


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Nothing but a name: there is no model."""
    return {"model": "clip", "version": "1"}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features as `facts` gives them."""

    def measure(request: Request) -> dict[str, Any]:
        return facts(*audio.read(request.audio, start=request.start))

    return one_by_one(measure)


def facts(samples: np.ndarray, rate: int) -> dict[str, float]:
    """Of float32 (n,): `seconds`; `loudest`, the RMS of the loudest 10 ms; `full`, the share of samples at full scale;
    `pause`, seconds of the longest stretch of inaudible frames between audible ones; `tail`, the RMS of the last 20 ms
    over that of all audible frames.
    """
    size = max(1, round(FRAME * rate))
    whole = samples[: len(samples) // size * size].reshape(-1, size) if len(samples) >= size else samples[None]
    levels = np.sqrt(np.mean(whole.astype(np.float64) ** 2, axis=1))
    heard = np.flatnonzero(levels > AUDIBLE)
    gaps = np.diff(heard) - 1
    speech = float(np.sqrt(np.mean(levels[heard] ** 2))) if heard.size else 0.0
    tail = float(np.sqrt(np.mean(samples[-2 * size :].astype(np.float64) ** 2)))
    return {
        "seconds": short(len(samples) / rate),
        "loudest": short(levels.max()),
        "full": short(float(np.mean(np.abs(samples) >= FULL))),
        "pause": short(float(gaps.max()) * size / rate) if gaps.size else 0.0,
        "tail": short(tail / speech) if speech else 0.0,
    }
