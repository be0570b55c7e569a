"""Mel spectrograms as librosa computes them (centred frames, zero padding, Slaney's scale and norm), in plain NumPy."""

from __future__ import annotations

import functools

import numpy as np


def _hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's scale (Auditory Toolbox): linear to 1 kHz (15 mel), then logarithmic, 27 mel per factor 6.4."""
    linear = hertz * 3.0 / 200.0
    return np.where(hertz < 1000.0, linear, 15.0 + 27.0 * np.log(np.maximum(hertz, 1.0) / 1000.0) / np.log(6.4))


def _mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


@functools.lru_cache(maxsize=8)
def filters(rate: int, size: int, bands: int) -> np.ndarray:
    """Triangular filters of equal area, float32 (bands, size // 2 + 1), from 0 Hz to half of `rate`."""
    bins = np.linspace(0.0, rate / 2, size // 2 + 1) if size % 2 == 0 else np.arange(size // 2 + 1) * rate / size
    ends = _hertz_to_mel(np.array([0.0, rate / 2]))
    edges = _mel_to_hertz(np.linspace(ends[0], ends[1], bands + 2))
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising, falling = -ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


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
