"""Recognise several files at once where one unreadable file must not lose the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.metrics.models import guarded
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np


def in_batches(
    recognise: Callable[[list[np.ndarray]], list[dict[str, Any]]], rate: int, how: str
) -> Callable[[Sequence[Request]], list[Feature]]:
    """An extract function from one that takes waveforms at `rate` Hz; a file that cannot be read is an error alone."""

    def extract(requests: Sequence[Request]) -> list[Feature]:
        waves: dict[int, np.ndarray] = {}

        def load(index: int) -> Callable[[Request], dict[str, Any]]:
            def keep(request: Request) -> dict[str, Any]:
                waves[index] = read(request.audio, rate, how, start=request.start)
                return {}

            return keep

        features = [guarded(load(index), request) for index, request in enumerate(requests)]
        found = recognise(list(waves.values())) if waves else []
        for index, value in zip(waves, found, strict=True):
            features[index] = Feature(value=value)
        return features

    return extract
