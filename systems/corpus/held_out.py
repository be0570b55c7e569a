"""Writes held-out utterances of a corpus as plain recordings, a folder that the harness takes as a test set."""

from __future__ import annotations

from pathlib import Path

from ttsbench.audio import write
from ttsbench.errors import UserError
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.nn.mel import RATE


def write_held_out(corpus: Path, folder: Path, split: str = "test") -> int:
    """FOLDER/SPEAKER/ID.flac and FOLDER/transcripts.tsv (utt, seconds, text) of a split; returns how many.

    'test' holds voices and sentences that no training heard; recordings without a transcript are left out. Raises
    FileNotFoundError where there is no corpus and ValueError where nothing is held out.
    """
    data = Corpus(corpus)
    chosen = [u for u in data.select(split) if u.text]
    if not chosen:
        raise UserError(f"{corpus}: no utterance with a transcript in split {split!r}")
    lines = ["utt\tseconds\ttext"]
    for u in chosen:
        write(folder / u.speaker / f"{u.id}.flac", data.audio(u), RATE)
        lines.append(f"{u.id}\t{u.frames / 100:.2f}\t{u.text}")
    (folder / "transcripts.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(chosen)
