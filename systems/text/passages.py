"""Long texts in pieces that the small systems can say at one go."""

from __future__ import annotations

import re

from ttsbench.systems.text.frontend import text_to_ids
from ttsbench.systems.text.phones import ENGLISH

MOST = 90  # phones of a passage: about eight seconds, the longest that training shows
MARKS = (
    r"(?<=[.!?;:])\s+|(?<=[。！？；])",
    r"(?<=[,—–-])\s+|(?<=[—–，、：])",
    r"\s+|(?<=[\u3400-\u9fff])(?=[\u3400-\u9fff])",
)


def passages(text: str, known: int = len(ENGLISH)) -> list[str]:
    """The text in pieces of at most `MOST` phones where that is possible: cut at sentence ends, else at punctuation,
    else between words, or between Han characters. Pieces without anything to say are left out, unless there is no
    other. `known`: see `text_to_ids`.
    """
    pieces = _cut(text.strip(), MARKS, known)
    return [piece for piece in pieces if re.search(r"\w", piece)] or [text]


def _cut(text: str, marks: tuple[str, ...], known: int) -> list[str]:
    if not marks or len(text_to_ids(text, known)) <= MOST:
        return [text]
    parts = [part for part in re.split(marks[0], text) if part]
    joined: list[str] = []
    for part in parts:
        if joined and len(text_to_ids(f"{joined[-1]} {part}", known)) <= MOST:
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return [piece for part in joined for piece in _cut(part, marks[1:], known)]
