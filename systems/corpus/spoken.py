"""Speech that a synthesiser has written into a folder: wavs/ID.flac and manifest.jsonl (`natural`, `hibari`)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttsbench.audio import AudioError, read_at
from ttsbench.errors import MissingFile
from ttsbench.systems.corpus import tokens
from ttsbench.systems.corpus.align import align, plausible
from ttsbench.systems.corpus.kokoro import refuse_test_only
from ttsbench.systems.corpus.natural import plain
from ttsbench.systems.corpus.recordings import RATE, leveled, warped
from ttsbench.systems.corpus.shards import Dropped, Spoken
from ttsbench.systems.text.frontend import in_both

Row = dict[str, Any]
LATE = 0.055  # seconds that Kokoro's ends come after the sound (docs/measurements/corpus.md)


def rows_of(folder: Path) -> list[Row]:
    """The manifest's whole lines. MissingFile where there is none."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        raise MissingFile(f"{path}: not there; a folder of synthetic speech holds wavs/ and manifest.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def spoken(folder: Path, rows: list[Row], refused: frozenset[str]) -> Iterator[Spoken | Dropped]:
    """Utterances of a part of the manifest; every 40th is held out. `refused`: plain sentences of test sets.

    Ends are the synthesiser's own where it gave any, else an aligner's. UserError on a voice that is kept for testing.
    """
    source = folder.name
    for row in rows:
        if "_" in row["voice"]:
            refuse_test_only(row["voice"])
        if plain(row["text"]) in refused:
            yield Dropped(source, "a sentence of a test set", row["seconds"])
            continue
        try:
            samples = leveled(read_at(folder / "wavs" / f"{row['id']}.flac", RATE), row["id"])
        except AudioError:
            yield Dropped(source, "unreadable", row["seconds"])
            continue
        phones = _phones(row, samples)
        if not phones:
            why = "phones and text disagree" if row.get("ends") else "the aligner finds no way through"
            yield Dropped(source, why, row["seconds"])
            continue
        split = "dev" if zlib.crc32(row["id"].encode()) % 40 == 0 else "train"
        voice, factor = f"{source}-{row['voice']}", row.get("warp", 1.0)
        name = voice if factor == 1.0 else f"{voice}~{factor:.2f}"
        warped_phones = [(phone, end / factor) for phone, end in phones]
        yield Spoken(row["id"], name, split, row["text"], warped(samples, factor), warped_phones, row["language"])


def _phones(row: Row, samples: Any) -> list[tuple[str, float]]:
    if row.get("ends"):
        ends = [max(0.0, end - LATE) for end in row["ends"][:-1]] + [len(samples) / RATE]
        if row["language"] == "en":
            return tokens.english(row["tokens"], ends)
        return tokens.mandarin(row["tokens"], ends, in_both(row["text"]))
    found = align(samples, row["text"])
    return found.phones if found is not None and plausible(found.phones) else []
