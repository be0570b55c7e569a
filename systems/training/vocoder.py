"""Trains the shared vocoder on true log-mels: spectral losses at three resolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ttsbench.systems.nn.vocoder.loss import vocoder_loss


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
