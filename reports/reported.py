"""Results published in papers: shown beside measured rows, always apart and marked, never ranked with them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.records import Sample

NUMBER = re.compile(r"[<>~]?[-+\u2212]?\d[\d.,]*\s*(%|[A-Za-z]{1,2})?([+]/?-.*)?")
FOLDER = Path(__file__).parent / "reported"
# The file of reported rows -> the published test sets it is of: name, task, least and most utterances. A list of one's
# own under the same name has another size, and gets no reported rows.
IDENTITIES: dict[str, tuple[tuple[str, str, int, int], ...]] = {
    "seed_tts_eval": (
        ("seed-en", "zero-shot", 1088, 1088),
        ("seed-zh", "zero-shot", 2020, 2020),
        ("seed-hard", "zero-shot", 400, 400),
    ),
    "librispeech_continuation": (("librispeech-continuation", "continuation", 1100, 1400),),
    "codec_librispeech_test_clean": (("librispeech-resynthesis", "resynthesis", 2620, 2620),),
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


def for_testset(name: str, samples: Sequence[Sample], found: list[Reported]) -> list[Reported]:
    """The published tables that were made on this test set: the same name, task and number of utterances."""
    tasks = {sample.task for sample in samples}
    wanted = {
        file
        for file, sets in IDENTITIES.items()
        for own, task, least, most in sets
        if name == own and tasks == {task} and least <= len(samples) <= most
    }
    return [table for table in found if table.name in wanted]
