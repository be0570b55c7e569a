"""Results published in papers: shown beside measured rows, always apart and marked, never ranked with them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

NUMBER = re.compile(r"[<>~]?[-+\u2212]?\d[\d.,]*\s*(%|[A-Za-z]{1,2})?([+]/?-.*)?")
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
    """One published table: `rows` as strings, exactly as published; `note` says what to know about it."""

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, and is set flush right."""
        cells = [row[column] for row in self.rows if column < len(row) and row[column]]
        return bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)


def load(folder: Path = FOLDER) -> list[Reported]:
    """Every published table in `folder`; lines that begin with '#' are its note."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))
        note = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
        if len(rows) > 1:
            found.append(Reported(path.stem, path.stem.replace("_", " "), rows[0], rows[1:], note))
    return found


def for_testset(name: str, found: list[Reported]) -> list[Reported]:
    """The published tables that were made on this test set."""
    wanted = {file for prefix, file in BELONGS.items() if name.startswith(prefix)}
    return [table for table in found if table.name in wanted]
