"""The full-size model on EnCodec: its features, and training with the published settings where they are published.

    python -m ttsbench.systems.livespeech.paper CORPUS FOLDER      # needs EnCodec's published weights, and GPUs

The paper trains on 60k hours of LibriLight: segments of 0.1 to 10 s, transcripts from a character recogniser. Here the
corpus is whatever folder is given. Enrollment is 3 to 5 s of another utterance of the speaker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ttsbench.audio import resample
from ttsbench.errors import UserError
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.livespeech.data import Batch
from ttsbench.systems.livespeech.model import LiveSpeech, save
from ttsbench.systems.livespeech.text import characters
from ttsbench.systems.livespeech.train import PAPER_RECIPE, Recipe, fit

LONGEST = 10.0  # seconds of a training segment
ENROLL = (3.0, 5.0)  # seconds
BATCH = 16


def vectors(codec: EnCodec) -> Callable[[Tensor], Tensor]:
    """A function from codes (batch, frames, codebooks) to the sum of their dequantised vectors (batch, frames, 128):
    training audio is kept as codes, so these are the continuous features the speech encoder reads.
    """

    def of(codes: Tensor) -> Tensor:
        with torch.no_grad():
            return codec.model.quantizer.decode(codes.permute(2, 0, 1)).transpose(1, 2)

    return of


def batches(corpus: Corpus, codec: EnCodec, split: str, seed: int, size: int = BATCH) -> Callable[[int], Batch]:
    """A function from step to a batch of `size` utterances, characters and EnCodec codes, drawn from (seed, step)."""
    usable = [u for u in corpus.select(split) if u.text and u.frames / 100 <= LONGEST]
    if not usable:
        raise UserError(f"{corpus.folder}: no utterance with a transcript in split {split!r}")
    speakers: dict[str, list[Utterance]] = {}
    for u in usable:
        speakers.setdefault(u.speaker, []).append(u)

    def encode(u: Utterance, first: int = 0, frames: int | None = None) -> Tensor:
        wave = resample(corpus.audio(u, first, frames), 16000, codec.sample_rate)
        return codec.encode(torch.from_numpy(wave)[None].to(codec.model.device))[0].cpu()

    def enroll(u: Utterance, rng: np.random.Generator) -> Tensor:
        others = [other for other in speakers[u.speaker] if other.id != u.id] or [u]
        other = others[int(rng.integers(len(others)))]
        frames = round(100 * rng.uniform(*ENROLL))
        return encode(other, int(rng.integers(max(1, other.frames - frames + 1))), frames)

    def at(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        chosen = [usable[int(i)] for i in rng.integers(len(usable), size=size)]
        codes, voices = [encode(u) for u in chosen], [enroll(u, rng) for u in chosen]
        symbols = pad_sequence([torch.tensor(characters(u.text)) for u in chosen], batch_first=True)
        return Batch(
            symbols, torch.zeros(symbols.shape), pad_sequence(codes, batch_first=True),
            torch.tensor([len(item) for item in codes]), pad_sequence(voices, batch_first=True),
            torch.tensor([len(item) for item in voices]),
        )  # fmt: skip

    return at


def train_paper(
    corpus: Path,
    folder: Path,
    codec: EnCodec,
    recipe: Recipe = PAPER_RECIPE,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
    size: int = BATCH,
) -> LiveSpeech:
    """Train the full-size preset; the adaptive weights alone, without the aids of the small one."""
    data, seed = Corpus(corpus), recipe.settings.seed
    held = batches(data, codec, "dev", seed + 1, size)
    given = batches(data, codec, "train", seed, size)
    model = fit(recipe, given, [held(step) for step in range(4)], vectors(codec), folder, say, True, device)
    save(model, folder / "livespeech-paper.safetensors")
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ttsbench.systems.livespeech.paper", description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--download", action="store_true", help="fetch EnCodec's published weights if they are missing")
    options = parser.parse_args(arguments)
    train_paper(options.corpus, options.folder, EnCodec.published(16, options.download))
    return 0


if __name__ == "__main__":
    sys.exit(main())
