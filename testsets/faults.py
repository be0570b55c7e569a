"""What can be wrong with a list of utterances, and the rows read so far. All faults are told at once, by line."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.records import Sample

LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Fault:
    """One thing wrong: where (`line` 0 is the whole file), the value, what is wrong and what to do."""

    file: str
    line: int
    value: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        # repr keeps escape sequences and right-to-left marks of a hostile list out of the terminal
        value = repr(self.value if len(self.value) <= LONGEST_SHOWN else self.value[:LONGEST_SHOWN] + "...")
        return f"{place}: {_shown(self.problem)}: {value}; {_shown(self.remedy)}"


def _shown(text: str) -> str:
    """What comes from a list, such as the names of its columns, without escape sequences."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class TestSetError(UserError):
    """A test set that cannot be used; `faults` holds every fault found."""

    __test__ = False  # pytest must not collect it

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(str(self))

    def __str__(self) -> str:
        kinds = Counter(fault.problem for fault in self.faults)
        counts = ", ".join(f"{count} x {problem}" for problem, count in kinds.most_common())
        head = f"the test set has {len(self.faults)} fault{'s' if len(self.faults) > 1 else ''} ({counts}):"
        return "\n".join([head, *(f"  {fault}" for fault in self.faults)])


@dataclass(frozen=True)
class Row:
    """A sample and the line of the list it came from, for messages. `line` 0: no list, one file of a folder."""

    file: Path
    line: int
    sample: Sample


@dataclass
class Draft:
    """What a parser found: rows still to be checked, and the lines that are no rows at all."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, file: Path, line: int, sample: Sample) -> None:
        self.rows.append(Row(file, line, sample))

    def fault(self, file: Path, line: int, value: str, problem: str, remedy: str) -> None:
        self.faults.append(Fault(str(file), line, value, problem, remedy))


def read_bytes(path: Path, draft: Draft) -> bytes:
    """A list as UTF-8 bytes without a byte order mark; UTF-16 is turned into it where the file begins with its mark.

    A list that cannot be read becomes a fault of `draft`, and so does UTF-16 without a mark.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        draft.fault(path, 0, str(path), f"the list cannot be read ({reason})", "give the path of a readable file")
        return b""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content = content.decode("utf-16").encode("utf-8")
        except UnicodeError as fault:
            draft.fault(path, 0, path.name, f"begins as UTF-16 and is none ({fault})", "save the list as UTF-8")
            return b""
    if content.count(0) > len(content) // 4:
        draft.fault(path, 0, path.name, "not UTF-8 (UTF-16 without its mark, or no text)", "save the list as UTF-8")
        return b""
    return content.removeprefix(codecs.BOM_UTF8)


def read_lines(path: Path, draft: Draft) -> list[tuple[int, str]]:
    """Numbered lines of a list, without the blank ones. Only a line feed ends a line.

    A list that cannot be read, and a line that is no UTF-8, become faults of `draft`.
    """
    lines = []
    for number, line in enumerate(read_bytes(path, draft).split(b"\n"), 1):
        try:
            text = line.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError as fault:
            shown = line.decode("utf-8", "backslashreplace")
            draft.fault(path, number, shown, f"not UTF-8 (byte {fault.start + 1})", "save the list as UTF-8")
            continue
        if text.strip():
            lines.append((number, text))
    if not lines and not draft.faults:
        draft.fault(path, 0, str(path), "the list is empty", "give a list with one utterance a line")
    return lines
