"""WADA-SNR: signal-to-noise ratio from the distribution of amplitudes alone (Kim and Stern, Interspeech 2008).

Speech is taken for gamma-distributed amplitudes (shape 0.4), noise for Gaussian. ln E|z| - E ln|z| of their sum then
grows with the ratio; the curve is drawn here from seeded samples, once, and read backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.metrics.models import one_by_one, short
from ttsbench.records import Feature, Request

BATCH = 16
RATE = 16000
SHAPE = 0.4
LOWEST, HIGHEST = -20, 100  # dB, as in the paper
DRAWN = 400_000
LEAST = 1e-10  # amplitudes below count as this, so that a zero sample has a logarithm


def identity(settings: dict[str, str]) -> dict[str, str]:
    """The rule's version; there is no model."""
    return {"model": "WADA-SNR", "version": "1"}


@lru_cache(maxsize=1)
def curve() -> np.ndarray:
    """The statistic at each dB from LOWEST to HIGHEST, rising."""
    rng = np.random.default_rng(0)
    speech = rng.gamma(SHAPE, size=DRAWN) * rng.choice((-1.0, 1.0), DRAWN)
    speech /= np.sqrt(np.mean(speech**2))
    noise = rng.normal(size=DRAWN)
    levels = 10.0 ** (-np.arange(LOWEST, HIGHEST + 1) / 20.0)
    return np.maximum.accumulate([statistic(speech + level * noise) for level in levels])


def statistic(samples: np.ndarray) -> float:
    """ln E|z| - E ln|z|: 0.41 of Gaussian noise, larger the sparser the amplitudes are."""
    size = np.maximum(np.abs(samples.astype(np.float64)), LEAST)
    return float(np.log(size.mean()) - np.log(size).mean())


def snr(samples: np.ndarray) -> float:
    """dB of float32 (n,), within LOWEST to HIGHEST. Raises UserError for silence."""
    if not np.abs(samples).max(initial=0.0):
        raise UserError("silent: there is no ratio of nothing")
    return float(np.interp(statistic(samples), curve(), np.arange(LOWEST, HIGHEST + 1)))


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features `{"snr": dB}`."""
    return one_by_one(lambda each: {"snr": short(snr(audio.read_at(each.audio, RATE, start=each.start)))})
