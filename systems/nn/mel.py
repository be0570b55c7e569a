"""The log-mel front end that the small codecs, the vocoder and the corpus share.

16 kHz, 100 Slaney mels from a 40 ms Hann window every 10 ms. Frame t is centred on the 160 samples it stands for, so
n samples give exactly n // 160 frames.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F

from ttsbench.mel import filters

RATE = 16000
HOP = 160
WINDOW = 640
N_FFT = 1024
N_MELS = 100
MEAN, SCALE = -6.0, 2.5  # of natural-log mels over the training corpus, rounded
FLOOR = 1e-5


@functools.lru_cache(maxsize=4)
def _constants(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(filters(RATE, N_FFT, N_MELS)).to(device), torch.hann_window(WINDOW, device=device)


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
