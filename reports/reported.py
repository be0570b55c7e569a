"""Results published in papers: shown beside measured rows, always apart and marked, never ranked with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "reported"
BELONGS = {  # what a test set's name begins with -> the file of reported rows
    "seed-en": "seed_tts_eval",
    "seed-zh": "seed_tts_eval",
    "seed-hard": "seed_tts_eval",
    "librispeech-continuation": "librispeech_continuation",
    "librispeech-resynthesis": "codec_librispeech_test_clean",
}


@dataclass(frozen=True)
class Reported:
    """One published table: `rows` as strings, exactly as published."""

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]


def load(folder: Path = FOLDER) -> list[Reported]:
    """Every published table in `folder`; lines that begin with '#' are notes and are left out."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
        rows = list(csv.reader(lines))
        if len(rows) > 1:
            found.append(Reported(path.stem, path.stem.replace("_", " "), rows[0], rows[1:]))
    return found


def for_testset(name: str, found: list[Reported]) -> list[Reported]:
    """The published tables that were made on this test set."""
    wanted = {file for prefix, file in BELONGS.items() if name.startswith(prefix)}
    return [table for table in found if table.name in wanted]
