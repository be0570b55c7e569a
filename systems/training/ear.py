"""Hears held-out sentences while a system is being trained, by the embedded recogniser and speaker model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.records import Sample
from ttsbench.speaking import seed_for
from ttsbench.systems.scaling import verifiers


def hear(system: Any, samples: Sequence[Sample]) -> dict[str, float]:
    """Mean word error rate `wer` and similarity to the prompt `sim` over `samples`, and the share `failed`.

    A row that fails counts as a word error rate of 1 and a similarity of 0.
    """
    rates, alike, failed = [], [], 0
    for sample in samples:
        said = _said(system, sample)
        rate = system.card.sample_rate
        wrong = 1.0 if said is None else -verifiers.words(sample.text, rate)(said)
        near = -math.inf if said is None or sample.prompt is None else verifiers.voice(sample.prompt, rate)(said)
        failed += said is None
        rates.append(wrong if math.isfinite(wrong) else 1.0)
        alike.append(near if math.isfinite(near) else 0.0)
    count = max(1, len(samples))
    return {"wer": sum(rates) / count, "sim": sum(alike) / count, "failed": failed / count}


def _said(system: Any, sample: Sample) -> np.ndarray | None:
    """The whole of what the system says, float32 (n,); None where it fails or says nothing."""
    try:
        return audio.whole(system.synthesize(sample, seed_for(0, sample.id)))
    except Exception:  # a system in training may fail in any way, and training goes on
        return None
