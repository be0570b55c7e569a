"""Cuts a text into pieces that are spoken one after the other: sentences for length, clauses for a quick start."""

from __future__ import annotations

import re

MOST_WORDS = 60  # in one go
LEAST_WORDS = 3  # of a clause; shorter ones join their neighbour

_SENTENCE = re.compile(r"([.!?…][\"')\]”’]*) ")
_CLAUSE = re.compile(r"([.!?…,;:—–][\"')\]”’]*) ")


def sentences(text: str, most: int = MOST_WORDS) -> list[str]:
    """`text` whole where it has at most `most` words, else in as few pieces of whole sentences as fit.

    A sentence that is too long by itself is cut at clauses, and a clause at words.
    """
    return _packed(_cut(_SENTENCE, text), most) if len(text.split()) > most else [text.strip()]


def clauses(text: str, least: int = LEAST_WORDS, most: int = MOST_WORDS) -> list[str]:
    """`text` cut after commas, colons and sentence ends, each piece of at least `least` words where it can be."""
    found: list[str] = []
    for part in _cut(_CLAUSE, text):
        if found and len(found[-1].split()) < least:
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    if len(found) > 1 and len(found[-1].split()) < least:
        found[-2:] = [" ".join(found[-2:])]
    return [piece for part in found for piece in sentences(part, most)]


def _cut(after: re.Pattern[str], text: str) -> list[str]:
    """`text`, its spaces made single, cut behind every match."""
    return after.sub(r"\1\n", " ".join(text.split())).split("\n")


def _packed(parts: list[str], most: int) -> list[str]:
    found: list[str] = []
    for part in parts:
        if len(part.split()) > most:
            smaller = _cut(_CLAUSE, part)
            words = part.split()
            cut = [" ".join(words[i : i + most]) for i in range(0, len(words), most)]
            found += _packed(smaller, most) if len(smaller) > 1 else cut
        elif found and len(found[-1].split()) + len(part.split()) <= most:
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found
