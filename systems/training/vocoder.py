"""Trains the shared vocoder on true log-mels: spectral losses at three resolutions, then optionally a GAN tail."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.systems.nn.mel import filters

SIZES = ((256, 64, 40), (512, 128, 64), (1024, 256, 100))  # window, hop, mels


@functools.lru_cache(maxsize=8)
def _bank(n_fft: int, mels: int, device: str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(filters(n_fft=n_fft, n_mels=mels)).to(device).T.contiguous(), torch.hann_window(
        n_fft, device=device
    )


def magnitudes(audio: Tensor, size: int, hop: int) -> Tensor:
    """(batch, samples) to magnitudes (batch, frames, size // 2 + 1), without padding."""
    window = torch.hann_window(size, device=audio.device)
    spectrum = torch.fft.rfft(audio.unfold(-1, size, hop) * window)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def spectral_loss(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Mean L1 of log-mels and of log-magnitudes over three resolutions, each a scalar."""
    mel, fine = made.new_zeros(()), made.new_zeros(())
    for size, hop, mels in SIZES:
        bank, _ = _bank(size, mels, str(made.device))
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


def judge(model: torch.nn.Module, clips: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Spectral loss, STOI and wide-band PESQ of held-out clips (mel (t, 100), audio (n,)); `loss` comes first."""
    from pesq import PesqError, pesq
    from pystoi import stoi

    losses, stois, pesqs = [], [], []
    for mel, audio in clips:
        made = model(torch.from_numpy(mel)[None]).float()
        losses.append(float(vocoder_loss(made, torch.from_numpy(audio)[None])["total"]))
        out = made[0].numpy()
        stois.append(float(stoi(audio, out, 16000)))
        try:
            pesqs.append(float(pesq(16000, audio, out, "wb")))
        except PesqError:
            continue
    return {"loss": float(np.mean(losses)), "stoi": float(np.mean(stois)), "pesq": float(np.mean(pesqs))}


def train_vocoder(
    corpus: Path,
    folder: Path,
    steps: int,
    minutes: float | None = None,
    batch: int = 16,
    frames: int = 64,
    lr: float = 1e-3,
) -> None:
    """Train the shared vocoder for so many steps or `minutes`, whichever comes first; results in `folder`."""
    from ttsbench.systems.corpus.reader import Corpus, segments
    from ttsbench.systems.nn.vocoder import Vocoder
    from ttsbench.systems.training.trainer import Settings, train

    data = Corpus(corpus)
    torch.manual_seed(0)
    model = Vocoder()
    held = (
        data.select("dev", "flite")[:6] + data.select("dev", "kathleen")[:3] + data.select("dev", "librispeech")[:18:3]
    )
    held = held or data.select("dev")[:12]
    clips = [(data.mel(u, 0, 400), data.audio(u, 0, 400)) for u in held]
    train(
        model,
        segments(data, "train", batch, frames),
        lambda b, step: vocoder_loss(model(b[0]), b[1]),
        Settings(
            steps=steps,
            minutes=minutes,
            lr=lr,
            betas=(0.8, 0.99),
            hold=0.3,
            eval_every=400,
            save_every=200,
            log_every=50,
        ),
        folder,
        lambda m: judge(m, clips),
        say=lambda line: print(line, flush=True),  # noqa: T201
    )
