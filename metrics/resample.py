"""The resamplers of other evaluators, for protocols named after them. All of ours use soxr HQ (`ttsbench.audio`).

Measured on one sentence, 22.05 to 16 kHz: wide-band PESQ between the versions is 4.39 (FFT) to 4.64, so they are
different numbers, not different roads to one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, cast

import numpy as np
import soxr

from ttsbench import audio

How = Literal["soxr", "fft", "sinc"]


def read(path: Path | str, rate: int, how: str = "soxr", start: float = 0.0) -> np.ndarray:
    """Float32 (n,) at `rate` Hz, brought there by `how`: soxr HQ, SciPy's FFT, or torchaudio's windowed sinc."""
    samples, own = audio.read(path, start=start)
    return convert(samples, own, rate, cast(How, how))


def convert(samples: np.ndarray, own: int, rate: int, how: How) -> np.ndarray:
    """As `read`, from float32 (n,) at `own` Hz. Raises ValueError for an unknown way."""
    if own == rate:
        return samples
    if how == "soxr":
        return np.asarray(soxr.resample(samples, own, rate, quality="HQ"), dtype=np.float32)
    if how == "fft":
        import scipy.signal

        size = int(len(samples) * rate / own)  # cut, not rounded, as in seed-tts-eval: one sample short at times
        return np.asarray(scipy.signal.resample(samples.astype(np.float64), size), dtype=np.float32)
    if how == "sinc":
        return sinc(samples, own, rate)
    raise ValueError(f"no resampling {how!r}; there are soxr, fft and sinc")


def sinc(samples: np.ndarray, own: int, rate: int, width: int = 6, rolloff: float = 0.99) -> np.ndarray:
    """torchaudio's default: a sinc under a Hann window, `width` zero crossings, `rolloff` of the lower Nyquist."""
    common = math.gcd(own, rate)
    own, rate = own // common, rate // common
    base = min(own, rate) * rolloff
    reach = math.ceil(width * own / base)
    at = np.arange(-reach, reach + own, dtype=np.float64)[None, :] / own
    times = np.clip((np.arange(0, -rate, -1, dtype=np.float64)[:, None] / rate + at) * base, -width, width)
    window = np.cos(times * np.pi / width / 2) ** 2
    kernels = np.sinc(times) * window * (base / own)
    padded = np.pad(samples.astype(np.float32), (reach, reach + own))
    frames = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])[::own]
    spread = frames @ kernels.T.astype(np.float32)
    return np.ascontiguousarray(spread.reshape(-1)[: math.ceil(rate * len(samples) / own)])
