"""Trains the shared vocoder on true log-mels of real speech: a mel loss, and discriminators that it must fool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.corpus.reader import Corpus, shares
from ttsbench.systems.corpus.shards import SYNTHETIC, Utterance
from ttsbench.systems.nn.mel import HOP, log_mel
from ttsbench.systems.nn.precision import has_bf16
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.nn.vocoder.critics import Critics, contest
from ttsbench.systems.nn.vocoder.loss import spectral_loss, vocoder_loss
from ttsbench.systems.training.trainer import Loss, Settings, export, seldom, train

MEL_WEIGHT = 15.0
MARGIN = 2  # frames on either side of a crop, so that its mels are those of the whole recording
Crops = Callable[[int], Tensor]


class Contest(nn.Module):
    """A maker of audio and the critics it is trained against, under one optimiser."""

    def __init__(self, maker: nn.Module, critics: nn.Module) -> None:
        super().__init__()
        self.maker, self.critics = maker, critics

    def losses(self, made: Tensor, true: Tensor, fooling: bool = True) -> Loss:
        """What maker and critics minimise together; see `critics.contest` for who learns from what.

        Without `fooling` the maker learns from the mel loss alone.
        """
        with torch.autocast(made.device.type, enabled=False):
            mel, _ = spectral_loss(made.float(), true)
        parts = contest(self.critics, made if fooling else made.detach(), true)
        return {"total": MEL_WEIGHT * mel + parts["fooling"] + parts["critic"], "mel": mel.detach(), **parts}


def crops(corpus: Corpus, split: str, batch: int, frames: int, seed: int = 0, margin: int = MARGIN) -> Crops:
    """A function from step to audio (batch, (frames + 2 * margin) * 160) of recordings, at gains of .5 to 1.2.

    Sources are drawn by `reader.shares`. Beyond the ends of a
    recording there is silence. Without recordings in the corpus, synthetic speech is taken.
    """
    chosen = corpus.select(split)
    chosen = [u for u in chosen if u.source not in SYNTHETIC] or chosen
    if not chosen:
        raise ValueError(f"{corpus.folder}: no utterance in split {split!r}")
    pools = {source: [u for u in chosen if u.source == source] for source in sorted({u.source for u in chosen})}
    ends = {source: np.cumsum([u.frames for u in pool]) for source, pool in pools.items()}
    names, drawn, size = list(pools), shares(pools), frames + 2 * margin

    def at(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        waves = np.zeros((batch, size * HOP), np.float32)
        for row in range(batch):
            source = names[rng.choice(len(names), p=drawn)]
            u = pools[source][int(np.searchsorted(ends[source], rng.integers(ends[source][-1]), side="right"))]
            first = int(rng.integers(-margin, max(1 - margin, u.frames - frames - margin + 1)))
            piece = corpus.audio(u, max(0, first), size - max(0, -first))
            begin = max(0, -first) * HOP
            waves[row, begin : begin + len(piece)] = piece * rng.uniform(0.5, 1.2)
        return torch.from_numpy(waves.clip(-1, 1))

    return at


def held_out(corpus: Corpus, count: int) -> list[Utterance]:
    """About so many utterances of 'dev', evenly spread: recordings, where there are any."""
    held = corpus.select("dev")
    held = [u for u in held if u.source not in SYNTHETIC] or held
    return held[:: max(1, len(held) // count)]


def cut(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Audio with margins to (log-mels (batch, frames, 100), audio (batch, frames * 160)) without them."""
    return log_mel(audio)[:, MARGIN:-MARGIN], audio[:, MARGIN * HOP : -MARGIN * HOP]


def judge(model: nn.Module, clips: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Spectral loss, STOI and wide-band PESQ of held-out clips (mel (t, 100), audio (n,)); `loss` comes first."""
    from pesq import PesqError, pesq
    from pystoi import stoi

    device = next(model.parameters()).device
    losses, stois, pesqs = [], [], []
    for mel, audio in clips:
        made = model(torch.from_numpy(mel)[None].to(device)).float().cpu()
        losses.append(float(vocoder_loss(made, torch.from_numpy(audio)[None])["total"]))
        out = made[0].numpy()
        stois.append(float(stoi(audio, out, 16000)))
        try:
            pesqs.append(float(pesq(16000, audio, out, "wb")))
        except PesqError:
            continue
    return {"loss": float(np.mean(losses)), "stoi": float(np.mean(stois)), "pesq": float(np.mean(pesqs))}


def settings(steps: int, minutes: float | None, lr: float, device: str, floor: float = 0.05) -> Settings:
    """Of a run with critics: a constant rate for half of it, then down along a line."""
    found = Settings(
        steps=steps, minutes=minutes, lr=lr, floor=floor, hold=0.5, warmup=50, decay="linear", betas=(0.8, 0.9),
        clip=50.0, ema=0.99, bf16=has_bf16(device), eval_every=500, save_every=50,
        log_every=25,
    )  # fmt: skip
    return found if device == "cpu" else seldom(found)


def crops_a_step(device: str) -> int:
    """8 on a CPU; a GPU is as fast with 32."""
    return 8 if device == "cpu" else 32


def train_vocoder(
    corpus: Path,
    folder: Path,
    steps: int,
    minutes: float | None = None,
    batch: int | None = None,
    frames: int = 64,
    lr: float = 3e-4,
    floor: float = 0.05,
    start: Path | None = None,
    head_start: int = 60,
    device: str = "cpu",
    judged: bool = True,
) -> None:
    """Train the shared vocoder for so many steps or `minutes`, whichever comes first.

    `judged`: held-out recordings are judged as it goes on (PESQ and STOI, a few seconds each time).

    `start`: weights of a vocoder to go on from. The first `head_start` steps only teach the critics.
    Results in `folder`: `vocoder.safetensors` (averaged weights), and the files of `trainer.train`, which hold the
    critics too.
    """
    data = Corpus(corpus)
    torch.manual_seed(0)
    vocoder = Vocoder()
    if start is not None:
        read_weights(vocoder, start)
    model = Contest(vocoder, Critics()).to(device)
    clips = [(data.mel(u, 0, 400), data.audio(u, 0, 400)) for u in held_out(data, 12)]

    def loss(audio: Tensor, step: int) -> Loss:
        mel, true = cut(audio)
        return model.losses(model.maker(mel), true, fooling=step >= head_start)

    train(
        model,
        crops(data, "train", batch or crops_a_step(device), frames),
        loss,
        settings(steps, minutes, lr, device, floor),
        folder,
        (lambda _: judge(model.maker, clips)) if judged else None,
        say=lambda line: print(line, flush=True),  # noqa: T201
    )
    export(only(load_file(folder / "last.safetensors"), "maker."), folder / "vocoder.safetensors")


def only(weights: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """The weights whose names start so, under the rest of their names."""
    return {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
