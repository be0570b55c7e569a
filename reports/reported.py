"""Results published in papers: shown beside measured rows, always apart and marked, never ranked with them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.names import parted
from ttsbench.records import Sample
from ttsbench.reports.tables import ReportError

NUMBER = re.compile(r"[<>~]?[-+\u2212]?\d[\d.,]*\s*(%|[A-Za-z]{1,2})?([+]/?-.*)?")
FOLDER = Path(__file__).parent / "reported"
TITLE = "title:"  # begins the line of the note that names the table
TESTSET = "testset"  # the column that says which test set a row is of
HEADINGS = {  # parts of column names, as they are printed
    "pct": "%", "hz": "Hz", "s": "s", "en": "en", "zh": "zh", "wer": "WER", "cer": "CER", "per": "PER",
    "wer h": "WER-H", "sim o": "SIM-o", "sim r": "SIM-r", "mos": "MOS", "smos": "SMOS", "o mos": "O-MOS",
    "s mos": "S-MOS", "mos q": "MOS-Q", "mos s": "MOS-S", "utmos": "UTMOS", "pesq wb": "PESQ wide band",
    "pesq nb": "PESQ narrow band", "stoi": "STOI", "rtf": "RTF", "ss": "SS (cosine × 100)", "gflops": "GFLOP",
    "spk sim": "speaker similarity", "test en": "test-en", "test zh": "test-zh", "test hard": "test-hard",
    "test clean": "test-clean", "test other": "test-other",
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """A published test set, known by its rows and never by its name: how many, of what task, language and ids.

    `file` (or one of several) ends the name of the list or of the address that it is from, where ids tell nothing.
    """

    task: str
    language: str
    least: int
    most: int
    ids: str = r".+"
    file: str | tuple[str, ...] = ""

    def fits(self, source: str, samples: Sequence[Sample]) -> bool:
        """Whether rows read from `source` are this set; a part of it, or a list of one's own, is not."""
        ids = {parted(sample.id)[0] for sample in samples}  # several seeds say each row several times
        return (
            self.least <= len(ids) <= self.most
            and source.endswith(self.file)
            and all(s.task == self.task and s.language == self.language for s in samples)
            and all(re.fullmatch(self.ids, name) for name in ids)
        )


def _cv3(language: str, rows: int = 500, hard: str = "") -> dict[str, Published]:
    places = ("CV3-Eval", f"zero_shot/{hard.replace('-', '_')}{language}")
    return {f"cv3-zero-shot-{hard}{language}": Published("zero-shot", language, rows, rows, file=places)}


def _minimax(language: str) -> dict[str, Published]:
    return {f"minimax-{language}": Published("zero-shot", language, 100, 100, file="TTS-Multilingual-Test-Set")}


LIBRISPEECH = r"(?:.*/)?\d+-\d+-\d+"
SETS = {
    "seed-en": Published("zero-shot", "en", 1088, 1088, r"common_voice_en_\d+-common_voice_en_\d+"),
    "seed-zh": Published("zero-shot", "zh", 2020, 2020, file="meta.lst"),
    "seed-hard": Published("zero-shot", "zh", 400, 400, file="hardcase.lst"),
    "librispeech-continuation": Published("continuation", "en", 1100, 1400, LIBRISPEECH),
    "librispeech-resynthesis": Published("resynthesis", "en", 2620, 2620, LIBRISPEECH),
}
for _each in "zh en ja ko de es fr it ru".split():
    SETS |= _cv3(_each)
SETS |= _cv3("zh", 560, "hard-") | _cv3("en", 64, "hard-")
for _each in "ar yue zh cs nl en fi fr de el hi id it ja ko pl pt ro ru es th tr uk vi".split():
    SETS |= _minimax(_each)
OF = {  # the kept tables that are of such a set as a whole
    "seed_tts_eval": ("seed-en", "seed-zh", "seed-hard"),
    "librispeech_continuation": ("librispeech-continuation",),
    "codec_librispeech_test_clean": ("librispeech-resynthesis",),
}


@dataclass(frozen=True)
class Reported:
    """One published table: `rows` as strings, exactly as published; `note` says what to know about it.

    `sets`: what it is of: names in SETS, or digests of test sets (the first eight signs will do).
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""
    sets: tuple[str, ...] = ()

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, and is set flush right."""
        cells = [row[column] for row in self.rows if column < len(row) and row[column]]
        return bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)

    def headings(self) -> list[str]:
        """The header in words: 'test_en_wer_pct' is 'test-en WER %'."""
        return [heading(name) for name in self.header]


def heading(column: str) -> str:
    """A column's name in words; the longest parts that are known are replaced first, the others stay."""
    words, found = column.split("_"), []
    while words:
        size = next((n for n in (2, 1) if " ".join(words[:n]).lower() in HEADINGS and n <= len(words)), 0)
        part = " ".join(words[: size or 1])
        found.append(HEADINGS[part.lower()] if size else part)
        words = words[size or 1 :]
    text = " ".join(found)
    return text[:1].upper() + text[1:] if text.islower() else text


def load(folder: Path = FOLDER) -> list[Reported]:
    """Every published table in `folder`; none where there is no such folder."""
    return [table for path in sorted(folder.glob("*.csv")) for table in read(path)]


def read(path: Path) -> list[Reported]:
    """The tables of one CSV file: one for each value of its column `testset`, else one. Raises ReportError.

    The first column names the systems; lines that begin with '#' are a note, and '# title: ...' names the table.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as fault:
        raise ReportError(f"{path}: cannot be read as UTF-8 text ({fault})") from fault
    numbered = [(n, line) for n, line in enumerate(lines, 1) if not line.startswith("#")]
    notes = [line.lstrip("# ") for line in lines if line.startswith("#")]
    note = " ".join(line for line in notes if not line.startswith(TITLE))
    rows = list(csv.reader(io.StringIO("\n".join(line for _, line in numbered))))
    if len(rows) < 2:
        raise ReportError(f"{path}: holds no rows; give a line of column names and a line a system below it")
    header, *rows = rows
    for (number, _), row in zip(numbered[1:], rows, strict=False):
        if len(row) != len(header):
            raise ReportError(f"{path}, line {number}: {len(row)} cells under {len(header)} column names")
    given = [line.removeprefix(TITLE).strip() for line in notes if line.startswith(TITLE)]
    title = given[0] if given else path.stem.replace("_", " ")
    if TESTSET not in header:
        return [Reported(path.stem, title, header, rows, note, OF.get(path.stem, ()))]
    at = header.index(TESTSET)
    parts: dict[str, list[list[str]]] = {}
    for row in rows:
        parts.setdefault(row[at].strip(), []).append(row)
    found = []
    for of, part in parts.items():
        keep = [n for n in range(len(header)) if n != at and any(row[n] for row in part)]
        cut = [[row[n] for n in keep] for row in part]
        name = f"{title}: {of or 'no test set named'}" if len(parts) > 1 else title
        found.append(Reported(path.stem, name, [header[n] for n in keep], cut, note, (of,) if of else ()))
    return found


def for_testset(digest: str, source: str, samples: Sequence[Sample], found: list[Reported]) -> list[Reported]:
    """The published tables of this test set: by its digest, or by the rows of a published one, never by its name."""
    same = {name for name, published in SETS.items() if published.fits(source, samples)}
    return [
        table
        for table in found
        if same & set(table.sets) or any(len(each) >= 8 and digest.startswith(each) for each in table.sets)
    ]
