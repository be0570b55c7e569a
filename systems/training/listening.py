"""Lets a system in training speak held-out sentences with its present weights, for somebody to hear.

Systems know no metrics: the harness hands in `hear`, and the first number that it finds, the word error rate, picks the
best weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttsbench.audio import write
from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.nn.mel import RATE
from ttsbench.systems.training import speakable

Hear = Callable[[Any, Sequence[Sample]], dict[str, float]]  # a system and what it shall say, to numbers to log


def listener(
    what: str, corpus: Path, folder: Path, codecs: Path, count: int, hear: Hear
) -> Callable[[nn.Module], dict[str, float]]:
    """A function from the module in training to what `hear` finds in `count` held-out sentences.

    `folder` keeps the run, `codecs` the weights of the codecs that it is trained on.
    """
    samples = held_out(Corpus(corpus), folder / "held-out", count)
    trial = folder / "trial"

    def listen(module: nn.Module) -> dict[str, float]:
        from ttsbench import systems

        speakable.write(what, module, trial, codecs)
        with _here(trial):
            return hear(systems.load(what), samples)

    return listen


def held_out(corpus: Corpus, folder: Path, count: int) -> list[Sample]:
    """Sentences of 'dev', evenly spread, each in the voice of another utterance of its speaker, written to `folder`."""
    told = [u for u in corpus.select("dev") if u.text and u.frames <= 1000]
    if not told:
        raise UserError(f"{corpus.folder}: no held-out sentence to speak; train with --listen 0")
    chosen = [told[i * len(told) // count] for i in range(min(count, len(told)))]
    samples = []
    for u in chosen:
        others = [v for v in corpus.utterances if v.speaker == u.speaker and v.text not in ("", u.text)]
        prompt = min(others or [u], key=lambda v: abs(v.frames - 300))  # about 3 s
        path = folder / f"{prompt.id}.flac"
        write(path, corpus.audio(prompt), RATE)
        samples.append(Sample(u.id, u.text, prompt=path, prompt_text=prompt.text, speaker=u.speaker))
    return samples


@contextmanager
def _here(folder: Path) -> Iterator[None]:
    """Checkpoints are looked for in `folder`; threads are afterwards as they were."""
    before, threads = os.environ.get("TTSBENCH_CHECKPOINTS"), torch.get_num_threads()
    os.environ["TTSBENCH_CHECKPOINTS"] = str(folder.resolve())
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        os.environ.pop("TTSBENCH_CHECKPOINTS")
        if before is not None:
            os.environ["TTSBENCH_CHECKPOINTS"] = before
