"""Trains small Llasa: next-frame cross-entropy, and the attention guide that acts in training only.

model = small(Path("corpus"), Path("run"))      # the corpus' FSQ codes must exist: training.data.encode_corpus
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.llasa.data import Batch, Clip, batches
from ttsbench.systems.llasa.small import GUIDED, Size, SmallLlasa, save
from ttsbench.systems.nn.guide import guide_loss, hit_rate
from ttsbench.systems.nn.transformer import Watch
from ttsbench.systems.text.phones import IDS
from ttsbench.systems.training.data import TtsBatches
from ttsbench.systems.training.trainer import Judge, Settings, moved, train
from ttsbench.systems.training.warm import begin_from

GUIDE = 0.3  # weight of each guided head
FRAME_RATE = 50.0


@dataclass(frozen=True)
class Recipe:
    """How a small Llasa is trained. `share` of the training utterances are used (the train-time scaling grid)."""

    settings: Settings
    frames: int = 2000
    pairs_from: int = 400
    share: float = 1.0
    dim: int = 256
    layers: int = 6


SMALL = Recipe(Settings(steps=9368, lr=1.5e-3, hold=0.3, warmup=100, log_every=25, eval_every=200, save_every=100))


def losses(model: SmallLlasa, batch: Batch, guide: float = GUIDE) -> dict[str, torch.Tensor]:
    """What is minimised, then what is logged: cross-entropy a digit in nats, the guide, the guided heads' hits."""
    watch = Watch(*GUIDED) if guide else None
    hidden = model(batch.texts, batch.codes, batch.holes, watch)
    codes = F.pad(batch.codes, (0, 0, 0, 1))
    logits = model.head(hidden, codes)
    steps = torch.arange(codes.shape[1], device=codes.device)[None]
    ends = steps == batch.lengths[:, None]
    targets = codes.masked_fill((steps > batch.lengths[:, None])[..., None], -1)
    targets = targets.masked_fill(ends[..., None], -1)
    targets[..., 0] = targets[..., 0].masked_fill(ends, model.size.levels[0])
    entropy = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=-1)
    if watch is None:
        return {"loss": entropy, "nats": entropy}
    past = F.pad(batch.shares, (0, 0, 1, 0))[:, :-1]  # what sounded in the previous frame
    before, now = (watch.weights[head] for head in GUIDED)
    guided = guide_loss(before, past) + guide_loss(now, batch.shares)
    hits = torch.tensor(hit_rate(now.detach(), batch.shares))
    return {"loss": entropy + guide * guided, "nats": entropy, "guide": guided, "hits": hits}


# --- from a corpus folder -----------------------------------------------------------------------------------------


def clips_of(corpus: Corpus, split: str, source: str | None = None, share: float = 1.0) -> list[Clip]:
    """The corpus' utterances with phones as clips, or an evenly spread `share` of them."""
    data = TtsBatches(corpus, "fsq", FRAME_RATE, split=split, source=source)
    count = round(len(data.utterances) * share)
    chosen = [data.utterances[i] for i in np.linspace(0, len(data.utterances) - 1, count).round().astype(int)]
    return [
        Clip(
            np.array([IDS[phone] for phone in u.phones], dtype=np.int16),
            np.asarray(u.ends, dtype=np.float32) * FRAME_RATE,
            data.of(u).numpy().astype(np.int16),
            u.speaker,
        )
        for u in chosen
    ]


def fit(
    model: SmallLlasa,
    given: Callable[[int], Batch],
    held_out: Sequence[Batch],
    settings: Settings,
    folder: Path,
    say: Callable[[str], None] | None = None,
    listen: Judge | None = None,
) -> SmallLlasa:
    """Train on `given(step)`, going on where `folder` stopped; the model with averaged weights."""

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, SmallLlasa)
        found = [losses(module, batch) for batch in held_out]
        names = ("nats", "guide", "hits")
        return {name: float(torch.stack([row[name].float() for row in found]).mean()) for name in names}

    train(model, given, lambda batch, _: losses(model, batch), settings, folder, evaluate, say=say, listen=listen)
    return model


def small(
    corpus: Path,
    folder: Path,
    recipe: Recipe = SMALL,
    say: Callable[[str], None] = print,
    device: str = "cpu",
    listen: Judge | None = None,
    start: Path | None = None,
) -> SmallLlasa:
    """Train the small preset on a corpus folder whose FSQ codes exist; llasa.safetensors comes to lie in `folder`.

    Four batches in five are synthetic voices, many of them, where there are any; the fifth is anything. `start`: a
    checkpoint to begin with (`training.warm`).
    """
    from ttsbench.systems.codecs import load_codec

    data, settings = Corpus(corpus), recipe.settings
    many, every = (clips_of(data, "train", source, recipe.share) for source in (data.many("train"), None))
    pace = sum(len(clip.codes) for clip in every) / sum(len(clip.phones) for clip in every)
    torch.manual_seed(settings.seed)
    levels = load_codec("fsq").levels
    model = SmallLlasa(
        Size(levels, recipe.dim, recipe.layers, hidden=4 * recipe.dim, phones=data.known, pace=round(pace, 2))
    )
    of_many, of_every = (
        batches(clips, recipe.frames, pace, recipe.pairs_from, settings.seed + n)
        for n, clips in enumerate((many, every))
    )
    held = batches(clips_of(data, "dev", data.many("dev")), recipe.frames, pace)
    held_out = [moved(held(step), device) for step in range(4)]
    model = model.to(device)
    begin_from(model, start)
    fit(model, lambda step: (of_every if step % 5 == 4 else of_many)(step), held_out, settings, folder, say, listen)
    save(model, folder / "llasa.safetensors")
    return model
