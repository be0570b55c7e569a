"""Recordings of real people with their texts: which there are, who speaks, in which language."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttsbench.errors import UserError

TEST_ONLY_READERS = Path(__file__).with_name("test-only-readers.txt")


@dataclass(frozen=True)
class Clip:
    """One recording. `id` is unique among all sources; `text` is '' where nobody wrote it down."""

    id: str
    path: Path
    speaker: str
    source: str
    language: str
    text: str


@dataclass(frozen=True)
class Source:
    """A folder below DATA with transcripts.tsv; `speaker` where the table has no such column."""

    name: str
    folder: str
    language: str = "en"
    speaker: str = ""


SOURCES = (
    Source("librispeech", "librispeech-train-clean-100-sample"),
    Source("readers", "librispeech-readers-19-26-27"),
    Source("libritts", "libritts"),
    Source("vctk", "vctk"),
    Source("arctic", "cmu-arctic"),
    Source("kathleen", "kathleen", speaker="kathleen"),
    Source("aishell", "aishell1-S0150", language="zh"),
    Source("learners", "speechocean762-adults"),
)


def clips(data: Path) -> list[Clip]:
    """Every recording of `SOURCES` below `data`, in a fixed order. UserError names a folder or a file that lacks."""
    missing = [source.folder for source in SOURCES if not (data / source.folder / "transcripts.tsv").is_file()]
    if missing:
        raise UserError(f"{data}: no folder {missing[0]}/ with a transcripts.tsv; see systems/corpus/README.md")
    return [clip for source in SOURCES for clip in _of(source, data / source.folder)]


def _of(source: Source, folder: Path) -> Iterator[Clip]:
    table = folder / "transcripts.tsv"
    with table.open(encoding="utf-8", newline="") as handle:
        for number, row in enumerate(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE), start=2):
            path = folder / (row.get("file") or f"{row.get('utt')}.opus")
            speaker = _reader(row.get("speaker") or source.speaker)
            if not path.is_file() or not speaker:
                raise UserError(f"{table}, line {number}: no recording {path.name!r}, or nobody who speaks it")
            key = f"{source.name}-{path.stem}"
            yield Clip(key, path, speaker, source.name, source.language, (row.get("text") or "").strip())


def _reader(name: str) -> str:
    """LibriSpeech's and LibriTTS' readers have the same numbers: 103 and ls103 are one person."""
    return f"ls{name}" if re.fullmatch(r"[0-9]+", name) else name


def test_only_readers() -> frozenset[str]:
    """People whom no training may hear: the names in `test-only-readers.txt`."""
    lines = TEST_ONLY_READERS.read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))
