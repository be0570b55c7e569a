"""What LiveSpeech reads: characters at full size, phones in the small preset; long texts in passages."""

from __future__ import annotations

import re

from ttsbench.systems.livespeech.design import CHARACTERS

MOST = 90  # symbols of a passage: about eight seconds, the longest that training shows


def characters(text: str) -> list[int]:
    """The paper's alphabet (a to z, apostrophe, space; numbers in words beforehand), 1 to 28; the rest is left out."""
    return [CHARACTERS.index(letter) + 1 for letter in " ".join(text.lower().split()) if letter in CHARACTERS]


def symbols_of(text: str) -> list[int]:
    """Phones, 1 to 40, with pauses. ValueError where there is nothing to say or the language is not supported."""
    from ttsbench.systems.text.frontend import text_to_ids

    symbols = text_to_ids(text)
    if set(symbols) <= {1}:
        raise ValueError(f"nothing to say in {text!r}")
    return symbols


def passages(text: str) -> list[str]:
    """The text in pieces of at most `MOST` symbols where that is possible: cut at sentence ends, else at punctuation,
    else between words. Pieces without anything to say are left out, unless there is no other.
    """
    pieces = _cut(text.strip(), (r"(?<=[.!?;:])\s+", r"(?<=[,—–-])\s+|(?<=[—–])", r"\s+"))
    return [piece for piece in pieces if re.search(r"\w", piece)] or [text]


def _cut(text: str, marks: tuple[str, ...]) -> list[str]:
    from ttsbench.systems.text.frontend import text_to_ids

    if not marks or len(text_to_ids(text)) <= MOST:
        return [text]
    parts = [part for part in re.split(marks[0], text) if part]
    joined: list[str] = []
    for part in parts:
        if joined and len(text_to_ids(f"{joined[-1]} {part}")) <= MOST:
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return [piece for part in joined for piece in _cut(part, marks[1:])]
