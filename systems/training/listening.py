"""Lets a system in training speak in the voices of real prompts with its present weights, for somebody to hear.

Systems know no metrics: the harness hands in `hear`, and the first number that it finds picks the best weights: the
lowest wins.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
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
from ttsbench.systems.corpus.shards import SYNTHETIC
from ttsbench.systems.nn.mel import RATE
from ttsbench.systems.text.normalise import is_chinese
from ttsbench.systems.training import speakable

Hear = Callable[[Any, Sequence[Sample]], dict[str, float]]  # a system and what it shall say, to numbers to log


def listener(
    what: str, corpus: Path, folder: Path, codecs: Path, count: int, hear: Hear, prompts: Path | None = None
) -> Callable[[nn.Module], dict[str, float]]:
    """A function from the module in training to what `hear` finds in `count` sentences, evenly spread over those in the
    folder `prompts` (see `pairs`), or over those held out of the corpus.

    `folder` keeps the run, `codecs` the weights of the codecs that it is trained on.
    """
    samples, trial = _chosen(corpus, folder, count, prompts), folder / "trial"

    def listen(module: nn.Module) -> dict[str, float]:
        from ttsbench import systems

        speakable.write(what, module, trial, codecs)
        with _here(trial):
            return hear(systems.load(what), samples)

    return listen


def of_modules(
    corpus: Path, folder: Path, count: int, hear: Hear, prompts: Path | None, speaking: Callable[[nn.Module], object]
) -> Callable[[nn.Module], dict[str, float]]:
    """As `listener`, for a module that `speaking` makes a system of as it is: full sizes are not written first."""
    samples = _chosen(corpus, folder, count, prompts)
    return lambda module: hear(speaking(module), samples)


def _chosen(corpus: Path, folder: Path, count: int, prompts: Path | None) -> list[Sample]:
    if prompts is None:
        return held_out(Corpus(corpus), folder / "held-out", count)
    found = pairs(prompts)
    return [found[place] for place in spread(len(found), count)]


def held_out(corpus: Corpus, folder: Path, count: int) -> list[Sample]:
    """Sentences of 'dev', evenly spread, each in the voice of another utterance of its speaker, written to `folder`.

    They are recorded ones where the corpus has any: synthetic voices are easier than any that a user will bring.
    """
    told = [u for u in corpus.select("dev") if u.text and u.frames <= 1000]
    told = [u for u in told if u.source not in SYNTHETIC] or told
    if not told:
        raise UserError(f"{corpus.folder}: no held-out sentence to speak; train with --listen 0")
    samples = []
    for u in (told[place] for place in spread(len(told), count)):
        others = [v for v in corpus.utterances if v.speaker == u.speaker and v.text not in ("", u.text)]
        prompt = min(others or [u], key=lambda v: abs(v.frames - 300))  # about 3 s
        path = folder / f"{prompt.id}.flac"
        write(path, corpus.audio(prompt), RATE)
        samples.append(Sample(u.id, u.text, prompt=path, prompt_text=prompt.text, speaker=u.speaker))
    return samples


def spread(total: int, count: int) -> list[int]:
    """`count` places, evenly spread over `total` ones; all of them where there are no more."""
    return [place * total // count for place in range(count)] if total > count else list(range(total))


def language(text: str) -> str:
    """zh where a Han character stands, else en."""
    return "zh" if any(map(is_chinese, text)) else "en"


def pairs(folder: Path) -> list[Sample]:
    """Every recording's text in the voice of the reader's next recording: real prompts, with their texts.

    FOLDER/transcripts.tsv has columns `text`, `file` or `utt` (a name below FOLDER, with its ending or without) and
    maybe `speaker`, else what stands before the first '-' of the name. Rows without a text are left out. A reader's
    only recording is the prompt for the text of another such reader. A text with Han characters is Mandarin. UserError
    names the line that cannot be used.
    """
    table, readers = folder / "transcripts.tsv", defaultdict[str, list[tuple[Path, str]]](list)
    if not table.is_file():
        raise UserError(f"{table}: not there; a folder of prompts holds recordings and a transcripts.tsv")
    files = {name: path for path in sorted(folder.rglob("*")) for name in (path.stem, path.name)}
    with table.open(encoding="utf-8", newline="") as handle:
        for number, row in enumerate(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE), start=2):
            name, text = Path(row.get("file") or row.get("utt") or "").name, row.get("text") or ""
            if not text:
                continue  # recorded, never written down
            if name not in files:
                raise UserError(f"{table}, line {number}: no recording {name!r} below {folder}")
            readers[row.get("speaker") or name.split("-")[0]].append((files[name], text))
    alone = [(speaker, *told[0]) for speaker, told in readers.items() if len(told) == 1]
    samples = [
        Sample(path.stem, text, language(text), prompt=prompt, prompt_text=before, truth=path, speaker=speaker)
        for speaker, told in readers.items() if len(told) > 1
        for (path, text), (prompt, before) in zip(told, told[1:] + told[:1], strict=True)
    ]  # fmt: skip
    samples += [
        Sample(
            f"{prompt.stem}-{path.stem}",
            text,
            language(text),
            prompt=prompt,
            prompt_text=before,
            truth=path,
            speaker=speaker,
        )
        for (speaker, prompt, before), (_, path, text) in zip(alone, alone[1:] + alone[:1], strict=True)
        if path != prompt
    ]
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
