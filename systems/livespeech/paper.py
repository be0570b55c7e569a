"""The full-size model on EnCodec: its features, and training with the published settings where they are published.

    ttsbench train livespeech --preset paper --corpus CORPUS      # needs EnCodec's published weights, and GPUs

The paper trains on 60k hours of LibriLight: segments of 0.1 to 10 s, transcripts from a character recogniser. Here the
corpus is whatever folder is given. Enrollment is 3 to 5 s of another utterance of the speaker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ttsbench.audio import resample
from ttsbench.errors import UserError
from ttsbench.systems import weights
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.livespeech.data import Batch
from ttsbench.systems.livespeech.full import WEIGHTS
from ttsbench.systems.livespeech.model import LiveSpeech, save
from ttsbench.systems.livespeech.text import characters
from ttsbench.systems.livespeech.train import PAPER_RECIPE, Recipe, fit
from ttsbench.systems.training.trainer import Judge
from ttsbench.systems.training.words import Word, words_of

SEGMENT = (0.1, 10.0)  # seconds of a training segment
ENROLL = (3.0, 5.0)  # seconds
BATCH = 16


def batches(corpus: Corpus, codec: EnCodec, split: str, seed: int, size: int = BATCH) -> Callable[[int], Batch]:
    """A function from step to a batch of `size` segments, characters and EnCodec codes, drawn from (seed, step).

    A segment of `SEGMENT` seconds begins and ends at whole words; utterances whose words cannot be placed (see
    `training.words`) are taken whole, up to `SEGMENT` seconds.
    """
    told = [(u, words_of(u)) for u in corpus.select(split) if u.text]
    usable = [(u, words) for u, words in told if words or u.frames / 100 <= SEGMENT[1]]
    if not usable:
        raise UserError(f"{corpus.folder}: no utterance with a transcript in split {split!r}")
    speakers: dict[str, list[Utterance]] = {}
    for u, _ in usable:
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
        cuts = [segment(u.text, u.frames, words, rng) for u, words in chosen]
        codes = [encode(u, first, frames) for (u, _), (_, first, frames) in zip(chosen, cuts, strict=True)]
        voices = [enroll(u, rng) for u, _ in chosen]
        symbols = pad_sequence([torch.tensor(characters(text)) for text, _, _ in cuts], batch_first=True)
        return Batch(
            symbols, torch.zeros(symbols.shape), pad_sequence(codes, batch_first=True),
            torch.tensor([len(item) for item in codes]), pad_sequence(voices, batch_first=True),
            torch.tensor([len(item) for item in voices]),
        )  # fmt: skip

    return at


def segment(text: str, frames: int, words: Sequence[Word], rng: np.random.Generator) -> tuple[str, int, int]:
    """Text, first frame and number of frames (of 10 ms) of a segment: a random first word, and as many more as fit into
    a random length of `SEGMENT`. Everything where the words are not known.
    """
    if not words:
        return text, 0, frames
    first = int(rng.integers(len(words)))
    longest = rng.uniform(*SEGMENT)
    fitting = [word for word in words[first:] if word.end - words[first].start <= longest] or [words[first]]
    begin = round(100 * fitting[0].start)
    count = min(round(100 * fitting[-1].end), frames) - begin
    return " ".join(word.text for word in fitting), begin, max(1, count)


def train_paper(
    corpus: Path,
    folder: Path,
    codec: EnCodec,
    recipe: Recipe = PAPER_RECIPE,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
    size: int = BATCH,
    listen: Judge | None = None,
) -> LiveSpeech:
    """Train the full-size preset, without the aids of the small one. With `listen` the weights kept are those heard to
    be best (the paper: by CER), else the last ones.
    """
    data, seed = Corpus(corpus), recipe.settings.seed
    held = batches(data, codec, "dev", seed + 1, size)
    given = batches(data, codec, "train", seed, size)
    model = fit(recipe, given, [held(step) for step in range(4)], codec.vectors, folder, say, True, device, listen)
    best = folder / "best.safetensors"
    if listen is not None and best.is_file():
        model.load_state_dict(weights.read(best))
    save(model, folder / WEIGHTS, packed=False)
    return model
