"""Trains the small KALL-E on a corpus and the small Flow-VAE's latents.

Aids that act in training only: an attention guide on two heads (known phone ends), short utterances first, noise on and
holes in the latents that are read. The losses are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems import packing
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.kalle.data import START, Batch, Clip, batches
from ttsbench.systems.kalle.loss import LAMBDA_END, Direction, frame_losses, speaker_loss
from ttsbench.systems.kalle.model import SMALL, Kalle, KalleShape
from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.guide import guide_loss, hit_rate
from ttsbench.systems.nn.transformer import Watch
from ttsbench.systems.training import warm
from ttsbench.systems.training.trainer import Judge, Settings, moved, seldom, train

STEPS = 12_743
LEARNING_RATE = 1.2e-3
COLUMNS = 2500  # of a batch: phones and frames
PAIRS = 0.6  # share of the batches in which an utterance of the speaker goes before, as a prompt does at synthesis
WHERE, NEXT = (2, 0), (3, 0)  # (layer, head): what sounded in the frame before, what sounds in this one


@dataclass(frozen=True)
class Aids:
    """`guide` is the weight of each guided head; it falls to `guide_end` over `guide_steps`. `holes`: at most this
    share of the frames that are read is blanked; `noise`: at most this deviation is added to them. `voiceless`: the
    share of rows whose voice latent is zero.
    """

    guide: float = 0.3
    guide_end: float = 0.05
    guide_steps: int = 4000
    holes: float = 0.3
    noise: float = 0.3
    voiceless: float = 0.1
    speaker_weight: float = 0.02
    direction: Direction = "target-predicted"
    end_weight: float = LAMBDA_END


AIDS = Aids()


def losses(model: Kalle, batch: Batch, step: int, aids: Aids) -> dict[str, Tensor]:
    """The total first, then its parts and the share of frames in which the second guided head looks right."""
    rows, frames = batch.mask.shape
    target = model.standardise(batch.mean, batch.logs)
    read = gaussian.sample(*target)
    read = read + aids.noise * torch.rand(rows, 1, 1, device=read.device) * torch.randn_like(read)
    holes = torch.rand(rows, frames, 1, device=read.device) < aids.holes * torch.rand(rows, 1, 1, device=read.device)
    read = read.masked_fill(holes, 0.0)
    voice_mean, voice_logs = model.speaker(batch.voice)
    watch = Watch(WHERE, NEXT) if aids.guide else None
    voice = gaussian.sample(voice_mean, voice_logs)
    if model.training:
        voice = voice.masked_fill(torch.rand(rows, 1, device=voice.device) < aids.voiceless, 0.0)
    predicted = model(batch.ids, batch.text_mask, read, batch.mask, voice, watch, batch.told)
    parts = frame_losses(predicted, target, batch.mask, aids.direction)
    parts["speaker"] = speaker_loss(voice_mean, voice_logs)
    total = parts["audio"] + aids.end_weight * parts["end"] + aids.speaker_weight * parts["speaker"]
    if watch is not None:
        now = F.pad(batch.shares, (0, 0, 0, 1))
        before = F.pad(batch.shares, (0, 0, 1, 0))
        columns = slice(1, 1 + batch.ids.shape[1])
        where, following = (watch.weights[head][:, columns.stop - 1 :, columns] for head in (WHERE, NEXT))
        parts["guide"] = guide_loss(where, before) + guide_loss(following, now)
        parts["hits"] = torch.tensor(hit_rate(following.detach(), now))
        weight = max(aids.guide_end, aids.guide + (aids.guide_end - aids.guide) * step / aids.guide_steps)
        total = total + weight * parts["guide"]
    return {"total": total, **parts}


def judge(clips: list[Clip], aids: Aids, seed: int = 1, start: int = START) -> Callable[[nn.Module], dict[str, float]]:
    """An evaluation on held-out clips for the trainer: divergence, end, hits, and how sure the end is recognised."""
    at = batches(clips, columns=2500, seed=seed, start=start)
    held = [at(step) for step in range(6)]

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Kalle)
        torch.manual_seed(seed)
        quiet = Aids(holes=0.0, noise=0.0, direction=aids.direction)
        found = [losses(model, moved(batch, model.audio_linear.weight.device), 0, quiet) for batch in held]
        return {name: float(np.mean([float(part[name]) for part in found])) for name in ("audio", "end", "hits")}

    return evaluate


def fresh(clips: Sequence[Clip], shape: KalleShape = SMALL) -> Kalle:
    """An untrained model whose shift and scale fit the clips."""
    torch.manual_seed(0)
    model = Kalle(shape)
    means = [torch.from_numpy(clip.mean).float() for clip in clips[:: max(1, len(clips) // 2000)]]
    model.fit_standard(torch.cat(means))
    return model


def fit(
    model: Kalle,
    pools: dict[str, list[Clip]],
    folder: Path,
    minutes: float | None,
    steps: int = STEPS,
    aids: Aids = AIDS,
    listen: Judge | None = None,
    seed: int = 0,
    columns: int = COLUMNS,
    rate: float = LEARNING_RATE,
) -> Kalle:
    """Train `model` on pools["train"], judged on pools["dev"]; a run that is in `folder` goes on. `rate`: of learning.

    The packed `kalle.safetensors` comes to lie there too.
    """
    settings = Settings(steps=steps, minutes=minutes, lr=rate, hold=0.3, seed=seed, eval_every=500, save_every=250)
    if next(model.parameters()).device.type != "cpu":
        settings = seldom(settings)
    train(
        model,
        batches(pools["train"], columns, seed=seed, easy=600, pairs=PAIRS, start=model.shape.vocabulary - 1),
        lambda batch, step: losses(model, batch, step, aids),
        settings,
        folder,
        judge(pools["dev"], aids, start=model.shape.vocabulary - 1),
        say=lambda line: print(line, flush=True),  # noqa: T201
        listen=listen,
    )
    packing.save(model.state_dict(), folder / "kalle.safetensors", packing.of_models, bits=6)
    return model


def train_small(
    corpus: Path,
    checkpoints: Path,
    folder: Path,
    minutes: float | None,
    steps: int = STEPS,
    device: str = "cpu",
    listen: Judge | None = None,
    seed: int = 0,
    columns: int = COLUMNS,
    start: Path | None = None,
) -> Kalle:
    """Train on every utterance of `corpus` that has phones, on latents of the Flow-VAE in `checkpoints`, or on
    those that the corpus holds (`latents.store`). `start`: a checkpoint to begin with (`training.warm`).

    Results in `folder`, the packed `kalle.safetensors` too; a run that is there goes on. The shipped checkpoint took
    what docs/training.md says.
    """
    from ttsbench.systems.kalle.latents import STORED, clips_of, load_vae

    stored = (corpus / f"{STORED}.json").is_file()
    vae, shape = None if stored else load_vae(checkpoints), replace(SMALL, vocabulary=Corpus(corpus).known + 1)
    pools = {split: clips_of(corpus, vae, split) for split in ("train", "dev")}
    model = fresh(pools["train"], shape).to(device)
    warm.begin_from(model, start)
    return fit(
        model,
        pools,
        folder,
        minutes,
        steps,
        listen=listen,
        seed=seed,
        columns=columns,
        rate=warm.rate(LEARNING_RATE, start),
    )
