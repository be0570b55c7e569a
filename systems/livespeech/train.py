"""Trains LiveSpeech: adaptive codebook weights as in the paper, and for the small preset the aids of `aids`.

model = small(Path("corpus"), Path("run"))      # the corpus' FSQ codes must exist: training.data.encode_corpus
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ttsbench.systems.codecs import load_codec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.livespeech.aids import Guide, hidden_rows, shares_of
from ttsbench.systems.livespeech.data import Batch, from_corpus, with_history
from ttsbench.systems.livespeech.design import PAPER, PAPER_GROUPS, SMALL, Design
from ttsbench.systems.livespeech.layout import Layout
from ttsbench.systems.livespeech.loss import code_loss, delay, fixed_weights
from ttsbench.systems.livespeech.model import LiveSpeech, save
from ttsbench.systems.training.data import TtsBatches
from ttsbench.systems.training.trainer import Judge, Settings, moved, train
from ttsbench.systems.training.warm import begin_from


@dataclass(frozen=True)
class Recipe:
    """A design and how it is trained. `strength` and `p_max` belong to the adaptive weights; `guide` is the weight of
    the attention guide and `hide` the largest share of hidden input rows (0: no aid). Every `textless`-th batch comes
    without its text (0: none), so that the model can also say what follows whatever the text: see `Sampling.guidance`.
    In the other batches this share of rows, `voiceless`, comes without its voice.
    In `history` of the others the text's clock begins anew at a symbol (`data.with_history`).
    `fixed`: codebook weights that fall to 1 by the end of training, the paper's baseline, in place of adaptive ones.
    `codec`: whose codes it learns, 'fsq' or 'rvq'; the design's codebooks are that codec's.
    """

    design: Design
    settings: Settings
    frames: int = 3000
    strength: float = 0.05
    p_max: float | None = None
    guide: float = 0.0
    hide: float = 0.0
    short_until: int = 0
    textless: int = 0
    voiceless: float = 0.0
    history: float = 0.0
    codec: str = "fsq"
    fixed: bool = False


SMALL_RECIPE = Recipe(
    SMALL, Settings(steps=11_378, lr=1e-3, hold=0.3, warmup=100, eval_every=200, save_every=50),
    frames=2000, strength=0.1, guide=3.0, hide=0.3, short_until=300, textless=10, voiceless=0.1, history=0.5,
)  # fmt: skip
# The paper gives batch 16 and about 3M steps, without groups 64 and 1M; optimiser and schedule are not in it, these are
# ours. Its table of codebook weights: adaptive (0.1 without groups, 0.05 with eight), fixed.
PAPER_RECIPE = Recipe(
    PAPER_GROUPS,
    Settings(steps=3_000_000, lr=2e-4, warmup=10_000, betas=(0.9, 0.95), listen_every=20_000, eval_every=20_000),
    frames=16 * 400,
)
UNGROUPED = replace(
    PAPER_RECIPE, design=PAPER, strength=0.1, settings=replace(PAPER_RECIPE.settings, steps=1_000_000, accumulate=4)
)
PAPER_RECIPES = {
    "adaptive": PAPER_RECIPE,
    "fixed": replace(PAPER_RECIPE, fixed=True),
    "ungrouped": UNGROUPED,
    "ungrouped-p-max": replace(UNGROUPED, p_max=0.5),
}


def losses(
    model: LiveSpeech,
    recipe: Recipe,
    features: Callable[[Tensor], Tensor],
    batch: Batch,
    number: int = 0,
) -> dict[str, Tensor]:
    """What is minimised in the batch of that number, then what is logged: nats per codebook, the guide, and how often
    the guided head is right.

    `features` turns enrollment codes (batch, frames, codebooks) into the codec's vectors (batch, frames, features).
    """
    design = model.design
    grid = delay(batch.codes, batch.lengths, design.pad, design.eos)
    rows = grid[:, :-1]
    heard = torch.arange(batch.enrolled.shape[1], device=rows.device) < batch.heard[:, None]
    memory = model.remember(features(batch.enrolled), batch.symbols, heard, batch.told)
    if model.training and recipe.voiceless and batch.symbols.any():
        memory = model.without_voice(memory, torch.rand(len(rows), device=rows.device) < recipe.voiceless)
    hidden = hidden_rows(rows.shape[0], rows.shape[1], recipe.hide, rows.device) if model.training else None
    guide = Guide(design) if recipe.guide and batch.symbols.any() else None
    logits = model(
        rows, memory, mask_rows=hidden,
        watch_shared=guide.shared if guide else None, watch_grouped=guide.grouped if guide else None,
    )  # fmt: skip
    total = recipe.settings.steps * recipe.settings.accumulate
    fixed = fixed_weights(design.count, number / total) if recipe.fixed else None
    loss, plain = code_loss(logits, batch.codes, batch.lengths, design.eos, recipe.strength, recipe.p_max, fixed)
    out = {"loss": loss, "nats": plain.mean(), "first": plain[0], "last": plain[-1]}
    if guide is not None:
        guided, hits = guide.compare(shares_of(batch.ends, batch.codes.shape[1]))
        out |= {"loss": loss + recipe.guide * guided, "guide": guided, "hits": torch.tensor(hits)}
    return out


def fit(
    recipe: Recipe,
    given: Callable[[int], Batch],
    held_out: Sequence[Batch],
    features: Callable[[Tensor], Tensor],
    folder: Path,
    say: Callable[[str], None] | None = None,
    progress: bool = True,
    device: str = "cpu",
    listen: Judge | None = None,
    model: LiveSpeech | None = None,
) -> LiveSpeech:
    """Train on `given(step)`, a new model or `model`; goes on where `folder` stopped. Returns the model with averaged
    weights.
    """
    torch.manual_seed(recipe.settings.seed)
    model = LiveSpeech(recipe.design).to(device) if model is None else model
    held_out = [moved(batch, device) for batch in held_out]

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, LiveSpeech)
        found = [losses(module, recipe, features, batch) for batch in held_out]
        return {name: float(torch.stack([row[name].float() for row in found]).mean()) for name in found[0]}

    train(
        model, given, lambda batch, number: losses(model, recipe, features, batch, number), recipe.settings, folder,
        evaluate, say=say, progress=progress, listen=listen,
    )  # fmt: skip
    return model


def small(
    corpus: Path,
    folder: Path,
    recipe: Recipe = SMALL_RECIPE,
    say: Callable[[str], None] = print,
    device: str = "cpu",
    listen: Judge | None = None,
    start: Path | None = None,
) -> LiveSpeech:
    """Train the small preset on a corpus folder whose codes exist; the checkpoint comes to lie in `folder`.

    `start`: a checkpoint to begin with (`training.warm`); its tables of codes are folded, so those begin anew.
    """
    torch.manual_seed(recipe.settings.seed)
    recipe = replace(recipe, design=replace(recipe.design, symbols=Corpus(corpus).known))
    model = LiveSpeech(recipe.design)
    books = Layout(load_codec(recipe.codec, device=device))
    given, held = batches_of(corpus, recipe, books)
    if books.entries is not None:
        model.codes.follow(books.entries)
        model.heads.follow(books.entries)
    begin_from(model, start)
    model = fit(recipe, given, held, books.vectors, folder, say, True, device, listen, model.to(device))
    save(model, folder / "livespeech.safetensors")
    return model


def batches_of(corpus: Path, recipe: Recipe, books: Layout) -> tuple[Callable[[int], Batch], list[Batch]]:
    """Training batches by step, and the held-out ones.

    Two batches in three are synthetic voices, many of them, where there are any; the third is anything.
    """
    data, seed, codec, pack = Corpus(corpus), recipe.settings.seed, books.codec.name, books.pack
    rate = recipe.design.frame_rate
    many = TtsBatches(
        data, codec, rate, frames=recipe.frames, seed=seed, short_first=recipe.short_until, source=data.many("train")
    )
    every = TtsBatches(data, codec, rate, frames=recipe.frames, seed=seed + 1, short_first=recipe.short_until)
    held = TtsBatches(data, codec, rate, split="dev", frames=recipe.frames, source=data.many("dev"))

    def given(step: int) -> Batch:
        batch = from_corpus(every(step) if step % 3 == 2 else many(step), pack)
        if recipe.textless and step % recipe.textless == recipe.textless - 1:
            return batch._replace(symbols=torch.zeros_like(batch.symbols))
        return with_history(batch, recipe.history, np.random.default_rng((seed, step, 2)))

    return given, [from_corpus(held(step), pack) for step in range(4)]
