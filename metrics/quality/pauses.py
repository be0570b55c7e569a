"""When a clip speaks: from its first to its last audible moment, and the pauses in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.metrics.models import one_by_one, short
from ttsbench.playback import AUDIBLE
from ttsbench.records import Feature, Request

BATCH = 64
FRAME = 0.01  # s
PAUSE = 0.2  # s; what is shorter belongs to the sounds about it, such as the closure of a stop


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Nothing but a name: there is no model."""
    return {"model": "pauses", "version": "1"}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features as `speaking` gives them."""

    def measure(request: Request) -> dict[str, float]:
        return speaking(*audio.read(request.audio, start=request.start))

    return one_by_one(measure)


def speaking(samples: np.ndarray, rate: int) -> dict[str, float]:
    """Of float32 (n,): `seconds` from the first to the last audible 10 ms; `paused`, seconds of its pauses of at least
    `PAUSE`; `pauses`, their number. UserError where nothing is audible."""
    size = max(1, round(FRAME * rate))
    whole = np.pad(samples, (0, -len(samples) % size)).astype(np.float64).reshape(-1, size)
    heard = np.flatnonzero(np.sqrt(np.mean(whole**2, axis=1)) > AUDIBLE)
    if heard.size == 0:
        raise UserError("nothing in it is audible (RMS above 0.01 in 10 ms)")
    gaps = (np.diff(heard) - 1) * size / rate
    long = gaps[gaps >= PAUSE - 1e-9]
    seconds = (heard[-1] - heard[0] + 1) * size / rate
    return {"seconds": short(seconds), "paused": short(float(long.sum())), "pauses": float(long.size)}
