"""Sentences for synthetic speech: quotations of Debian's `fortunes` packages (BSD licence) and a small generator."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from num2words import num2words

FORTUNES = Path("/usr/share/games/fortunes")
FILES = [
    "art",
    "computers",
    "cookie",
    "definitions",
    "education",
    "food",
    "fortunes",
    "goedel",
    "humorists",
    "kids",
    "law",
    "linuxcookie",
    "literature",
    "love",
    "magic",
    "medicine",
    "miscellaneous",
    "news",
    "paradoxum",
    "people",
    "pets",
    "platitudes",
    "politics",
    "riddles",
    "science",
    "songs-poems",
    "sports",
    "startrek",
    "tao",
    "wisdom",
    "work",
    "zippy",
]
MOST_WORDS = 26

_NAMES = [
    "Anna",
    "Peter",
    "Maria",
    "James",
    "Helen",
    "Robert",
    "Susan",
    "Thomas",
    "Laura",
    "Michael",
    "Nancy",
    "George",
    "Alice",
    "Henry",
    "Emma",
    "Frank",
]
_PLACES = [
    "London",
    "Paris",
    "Boston",
    "Chicago",
    "Berlin",
    "Denver",
    "Dublin",
    "Madrid",
    "Oxford",
    "Austin",
    "Seattle",
    "Venice",
]
_THINGS = [
    "books",
    "letters",
    "apples",
    "chairs",
    "tickets",
    "horses",
    "candles",
    "bottles",
    "pictures",
    "questions",
    "stories",
    "boxes",
]
_WHEN = [
    "today",
    "yesterday",
    "in the morning",
    "late at night",
    "before lunch",
    "after the meeting",
    "on Friday",
    "next week",
]
_VERBS = ["bought", "sold", "found", "lost", "counted", "carried", "ordered", "sent"]
_WEATHER = ["rain", "heavy snow", "strong wind", "thick fog", "bright sunshine", "a light breeze"]


def quotations(known: frozenset[str], folder: Path = FORTUNES) -> list[str]:
    """Clauses of 2 to 26 words, every word in `known` (lower case), in the files' order, without repetitions."""
    found: dict[str, None] = {}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        text = re.sub(r"\x08|_", "", path.read_text(encoding="utf-8", errors="replace"))
        for quote in re.split(r"\n%\n", text):
            quote = re.split(r"\n\s*--", quote)[0]
            for sentence in re.split(r"(?<=[.!?])[\"')\]]*\s+", " ".join(quote.split())):
                clean = _clean(sentence)
                words = re.findall(r"[a-z']+", clean.lower())
                if 2 <= len(words) <= MOST_WORDS and all(w in known for w in words) and clean not in found:
                    found[clean] = None
    return list(found)


def _clean(sentence: str) -> str:
    """The sentence without quotes and brackets; '' where it holds anything that is not plain words and punctuation."""
    text = re.sub(r"[\"“”()\[\]*`]", "", sentence).replace("--", ", ").replace("...", ",").strip(" -:;,")
    text = re.sub(r"\s+([,.;:?!])", r"\1", " ".join(text.split()))
    if not re.fullmatch(r"[A-Za-z][A-Za-z ,;:'\-]*[.!?]?", text) or re.search(
        r"\b[A-Z]{2,}\b|(^|\s)'|'(\s|$)|-\s", text
    ):
        return ""
    text = text.replace("-", " ")
    return text if text[-1] in ".!?" else text + "."


def generated(rng: np.random.Generator, count: int) -> list[str]:
    """Plain sentences with names, places, numbers, times and prices, all spelled out; no repetitions."""

    def pick(options: list[str]) -> str:
        return options[int(rng.integers(len(options)))]

    def number(low: int, high: int) -> str:
        return num2words(int(rng.integers(low, high))).replace(" and ", " ").replace("-", " ").replace(",", "")

    found: dict[str, None] = {}
    while len(found) < count:
        shape = int(rng.integers(7))
        if shape == 0:
            said = f"{pick(_NAMES)} {pick(_VERBS)} {number(2, 1000)} {pick(_THINGS)} in {pick(_PLACES)} {pick(_WHEN)}."
        elif shape == 1:
            said = f"The train to {pick(_PLACES)} leaves at {number(1, 13)} {number(10, 60)}, {pick(_WHEN)}."
        elif shape == 2:
            said = f"Does {pick(_NAMES)} live in {pick(_PLACES)}, or is it {pick(_PLACES)}?"
        elif shape == 3:
            said = (
                f"We expect {pick(_WEATHER)} in {pick(_PLACES)} and {pick(_WEATHER)} in {pick(_PLACES)} {pick(_WHEN)}."
            )
        elif shape == 4:
            said = f"That will be {number(2, 200)} dollars and {number(2, 100)} cents, said {pick(_NAMES)}."
        elif shape == 5:
            said = f"In {number(1100, 2030)}, {pick(_NAMES)} {pick(_VERBS)} the {pick(_THINGS)}."
        else:
            said = f"{pick(_NAMES)}, {pick(_NAMES)} and {pick(_NAMES)} {pick(_VERBS)} {pick(_THINGS)} {pick(_WHEN)}."
        found[said] = None
    return list(found)
