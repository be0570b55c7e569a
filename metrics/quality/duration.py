"""How long a file is, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench import audio
from ttsbench.metrics.models import one_by_one, short
from ttsbench.records import Feature, Request

BATCH = 64


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Nothing but a name: there is no model."""
    return {"model": "duration", "version": "1"}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features `{"seconds": ...}`."""

    def measure(request: Request) -> dict[str, Any]:
        samples, rate = audio.read(request.audio, start=request.start)
        return {"seconds": short(len(samples) / rate)}

    return one_by_one(measure)
