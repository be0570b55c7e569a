"""How far made audio is from true audio: L1 of log-spectra at three resolutions."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.mel import filters
from ttsbench.systems.nn.mel import RATE

SIZES = ((256, 64, 40), (512, 128, 64), (1024, 256, 100))  # window, hop, mels


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept, so it must also serve where gradients are
def _bank(n_fft: int, mels: int, device: str) -> Tensor:
    return torch.from_numpy(filters(RATE, n_fft, mels)).to(device).T.contiguous()


def magnitudes(audio: Tensor, size: int, hop: int) -> Tensor:
    """(batch, samples) to magnitudes (batch, frames, size // 2 + 1), without padding."""
    window = torch.hann_window(size, device=audio.device)
    spectrum = torch.fft.rfft(audio.unfold(-1, size, hop) * window)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def spectral_loss(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Mean L1 of log-mels and of log-magnitudes over three resolutions, each a scalar."""
    mel, fine = made.new_zeros(()), made.new_zeros(())
    for size, hop, mels in SIZES:
        bank = _bank(size, mels, str(made.device))
        with torch.no_grad():
            target = magnitudes(true, size, hop)
            target_mel, target_log = torch.log((target @ bank).clamp_min(1e-5)), torch.log(target.clamp_min(1e-2))
        own = magnitudes(made, size, hop)
        mel = mel + F.l1_loss(torch.log((own @ bank).clamp_min(1e-5)), target_mel)
        fine = fine + F.l1_loss(torch.log(own.clamp_min(1e-2)), target_log)
    return mel / len(SIZES), fine / len(SIZES)


def vocoder_loss(made: Tensor, true: Tensor) -> dict[str, Tensor]:
    """What the vocoder minimises without an adversary."""
    with torch.autocast(made.device.type, enabled=False):
        mel, fine = spectral_loss(made.float(), true.float())
    return {"total": mel + fine, "mel": mel, "fine": fine}
