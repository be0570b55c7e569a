"""Mel spectrograms as librosa computes them (centred frames, zero padding, Slaney's scale and norm), in plain NumPy."""

from __future__ import annotations

import functools
import math

import numpy as np


def slaney(hertz: np.ndarray) -> np.ndarray:
    """Hz to Slaney mels (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1.0) / 1000) * 27 / math.log(6.4))


@functools.lru_cache(maxsize=8)
def filters(rate: int, size: int, bands: int) -> np.ndarray:
    """Triangular filters of equal area, float32 (bands, size // 2 + 1), from 0 Hz to half of `rate`."""
    grid = np.linspace(0, slaney(np.array(rate / 2.0)), bands + 2)
    edges = np.where(grid < 15, grid * 200 / 3, 1000 * np.exp((grid - 15) * math.log(6.4) / 27))
    bins = np.arange(size // 2 + 1) * rate / size
    rise = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (np.maximum(0, np.minimum(rise, fall)) * area[:, None]).astype(np.float32)


def mel_power(samples: np.ndarray, rate: int, size: int, hop: int, bands: int) -> np.ndarray:
    """Mel power spectrogram, float32 (frames, bands), of samples (n,); periodic Hann window of `size` samples."""
    padded = np.pad(samples.astype(np.float32), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)).astype(np.float32)
    spectrum = np.fft.rfft(frames * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.asarray(power @ filters(rate, size, bands).T, dtype=np.float32)


def decibels(power: np.ndarray, floor: float = 80.0) -> np.ndarray:
    """Power to dB below its own maximum, nothing further than `floor` dB down."""
    level = 10.0 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(level - 10.0 * np.log10(max(float(power.max()), 1e-10)), -floor)
