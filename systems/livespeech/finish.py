"""A further leg of LiveSpeech's training, shipped as three-valued steps on the checkpoint before it (`increments`).

    python -m ttsbench.systems.livespeech.finish CORPUS TRAINED BASE OUT

TRAINED, what `ttsbench train livespeech` gave when it went on from BASE, teaches: the steps are trained to say of every
code what it says, beside what training always minimises.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ttsbench.systems import increments
from ttsbench.systems.codecs import load_codec
from ttsbench.systems.livespeech.layout import Layout
from ttsbench.systems.livespeech.model import INCREMENTS, load
from ttsbench.systems.livespeech.train import SMALL_RECIPE, batches_of, fit
from ttsbench.systems.training.trainer import Settings

SETTINGS = Settings(steps=1100, lr=3e-4, hold=0.3, warmup=50, ema=0.99, eval_every=200, save_every=100)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ttsbench.systems.livespeech.finish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path, help="a corpus folder with FSQ codes")
    parser.add_argument("trained", type=Path, help="livespeech.safetensors of the longer training")
    parser.add_argument("base", type=Path, help="livespeech.safetensors that is there already")
    parser.add_argument("out", type=Path, help=f"where {INCREMENTS} goes")
    parser.add_argument("--steps", type=int, default=SETTINGS.steps, help=f"of training ({SETTINGS.steps})")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small models: a second thread costs more than it gives
    teacher = load(options.trained).requires_grad_(False)
    model = load(options.base)
    increments.start(model, teacher.state_dict())
    recipe = replace(SMALL_RECIPE, settings=replace(SETTINGS, steps=options.steps))
    books = Layout(load_codec(recipe.codec))
    given, held_out = batches_of(options.corpus, recipe, books)
    fit(recipe, given, held_out, books.vectors, options.out, print, model=model, teacher=teacher)
    increments.finish(model, options.out / INCREMENTS, options.base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
