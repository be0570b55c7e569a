"""Trains on the codes of a corpus folder, and keeps what was trained in one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems import packing, weights
from ttsbench.systems.mobilespeech.design import SMALL, Design
from ttsbench.systems.mobilespeech.loss import Batch, draw_masks, forgetful, losses
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.training.data import TtsBatch
from ttsbench.systems.training.trainer import Judge, Settings

SETTINGS = Settings(steps=2439, lr=1.2e-3, hold=0.3, ema=0.997, eval_every=200, save_every=100)
MASKS = 2  # draws of masks for each batch, whose text and prompt are encoded once
BUDGET = 3000  # frames of a batch
PROMPT_SECONDS = 4.0  # at most; most utterances are shorter, so lengths vary


class Trained(nn.Module):
    """The model as the training loop sees it: a batch and its number in, losses out."""

    def __init__(self, model: MobileSpeech, seed: int = 0) -> None:
        super().__init__()
        self.model, self.design, self.seed = model, model.design, seed

    def forward(self, batch: Batch, step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        self.model.design = forgetful(self.design, generator) if self.training else self.design
        voiceless = self.training and float(torch.rand((), generator=generator)) < self.design.voiceless
        masks = [draw_masks(batch, self.model, generator) for _ in range(MASKS if self.training else 1)]
        return losses(self.model, batch, *masks[0], *masks[1:], voiceless=voiceless)


def prepared(given: TtsBatch, stride: int) -> Batch:
    """The common batch as this model takes it: prompts end at the right edge and count whole strides."""
    lengths = given.prompt_lengths // stride * stride
    longest = int(lengths.max())
    prompt = given.prompt.new_zeros(len(lengths), longest, given.prompt.shape[2])
    for row, (length, whole) in enumerate(zip(lengths.tolist(), given.prompt_lengths.tolist(), strict=True)):
        prompt[row, longest - length :] = given.prompt[row, whole - length : whole]
    mask = torch.arange(longest)[None] >= longest - lengths[:, None]
    return Batch(given.phones, given.durations, given.target, prompt, None if mask.all() else mask)


def fit(
    corpus: Path,
    folder: Path,
    settings: Settings,
    codec: str = "fsq",
    design: Design = SMALL,
    budget: int = BUDGET,
    longest: float = 9.0,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
    listen: Judge | None = None,
    start: Path | None = None,
) -> MobileSpeech:
    """Train on CORPUS/codes-CODEC.npy, `budget` frames a batch, of utterances up to `longest` seconds.

    `folder` keeps the run, and a killed one goes on from there.
    Judged on the voices of 'test', or on 'dev' in a corpus that holds out no voices. `start`: a checkpoint to begin
    with (`training.warm`).
    """
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training import trainer
    from ttsbench.systems.training.data import TtsBatches
    from ttsbench.systems.training.warm import begin_from

    data, seed = Corpus(corpus), settings.seed
    design = replace(design, phones=max(design.phones, data.known))
    torch.manual_seed(seed)
    model = Trained(MobileSpeech(design), seed).to(device)
    begin_from(model.model, start)
    held_out = "test" if data.select("test", phones=True) else "dev"
    seen, unseen = (
        TtsBatches(data, codec, design.frame_rate, split, budget, seed, PROMPT_SECONDS, longest=longest)
        for split in ("train", held_out)
    )
    held = [prepared(unseen(step), design.stride) for step in range(min(40, unseen.steps_per_epoch))]
    trainer.train(
        model,
        lambda step: prepared(seen(step), design.stride),
        model,
        settings,
        folder,
        lambda trained: judge(trained, held, device),
        say=say,
        listen=listen,
    )
    return model.model


def judge(model: nn.Module, held: Iterable[Batch], device: str) -> dict[str, float]:
    """Losses on held-out sentences of held-out voices, with masks that are the same at every call."""
    sums: dict[str, list[float]] = {}
    for number, batch in enumerate(held):
        for name, value in model(batch.to(device), 10**6 + number).items():
            sums.setdefault(name, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in sums.items()}


def save(model: MobileSpeech, path: Path, design: Design, about: dict[str, str], packed: bool = True) -> None:
    """The weights, packed or with all their bits, with the design and what the checkpoint is in the header."""
    about = {"design": json.dumps(design.to_dict()), **about}
    if packed:
        packing.save(model.state_dict(), path, packing.of_models, about)
    else:
        weights.save(model.state_dict(), path, about)


def restore(path: Path, cross_attention: bool = True, prompt_durations: bool = True) -> MobileSpeech:
    """A model from `save`, float32, ready to speak, with the prompt's two ways in or without."""
    about = weights.header(path)
    if "design" not in about:
        raise UserError(f"{path}: no design in its metadata; it was not written by MobileSpeech's `save`")
    design = Design.from_dict(json.loads(about["design"]))
    model = MobileSpeech(replace(design, cross_attention=cross_attention, prompt_durations=prompt_durations))
    weights.fit(model, packing.unpack(weights.read(path)), path, "It was made by another version: train it again")
    return model.eval()
