"""The log-mel front end that the small codecs, the vocoder and the corpus share.

16 kHz, 100 Slaney mels from a 40 ms Hann window every 10 ms. Frame t is centred on the 160 samples it stands for, so
n samples give exactly n // 160 frames.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

RATE = 16000
HOP = 160
WINDOW = 640
N_FFT = 1024
N_MELS = 100
MEAN, SCALE = -6.0, 2.5  # of natural-log mels over the training corpus, rounded
FLOOR = 1e-5


def slaney(hertz: np.ndarray) -> np.ndarray:
    """Hz to Slaney mels (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1.0) / 1000) * 27 / math.log(6.4))


def filters(rate: int = RATE, n_fft: int = N_FFT, n_mels: int = N_MELS) -> np.ndarray:
    """Triangular filters of equal area, float32 (n_mels, n_fft // 2 + 1)."""
    grid = np.linspace(0, slaney(np.array(rate / 2.0)), n_mels + 2)
    edges = np.where(grid < 15, grid * 200 / 3, 1000 * np.exp((grid - 15) * math.log(6.4) / 27))
    bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
    rise = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (np.maximum(0, np.minimum(rise, fall)) * area[:, None]).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _constants(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(filters()).to(device), torch.hann_window(WINDOW, device=device)


def log_mel(audio: torch.Tensor) -> torch.Tensor:
    """Audio (batch, samples) at 16 kHz in [-1, 1] to normalised log-mels (batch, samples // 160, 100).

    Values are about -2.2 (silence) to 2.5. The edges are padded with zeros. Fewer than 160 samples give no frame.
    """
    bank, window = _constants(str(audio.device))
    frames = audio.shape[-1] // HOP
    if frames == 0:
        return audio.new_zeros(audio.shape[0], 0, N_MELS)
    side = (WINDOW - HOP) // 2
    padded = F.pad(audio[..., : frames * HOP].float(), (side, side))
    spectrum = torch.fft.rfft(padded.unfold(-1, WINDOW, HOP) * window, n=N_FFT).abs()
    return (torch.log((spectrum @ bank.T).clamp_min(FLOOR)) - MEAN) / SCALE
