"""Where the words of an aligned utterance stand, from the ends of its phones."""

from __future__ import annotations

from typing import NamedTuple

from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.text.frontend import pronounce
from ttsbench.systems.text.normalise import PAUSE as MARK
from ttsbench.systems.text.normalise import UnsupportedText, normalise
from ttsbench.systems.text.phones import PAUSE


class Word(NamedTuple):
    """A word as it is spoken, and when, in seconds from the utterance's start."""

    text: str
    start: float
    end: float


def words_of(u: Utterance) -> list[Word]:
    """The words of an English utterance with their times; [] where it has no phones, or where the phones are not those
    that the front end gives for its text (another pronunciation is no matter, another number of phones is).
    """
    if not u.phones:
        return []
    starts = [0.0, *u.ends[:-1]]
    spoken = [(a, b) for phone, a, b in zip(u.phones, starts, u.ends, strict=True) if phone != PAUSE]
    try:
        words = [word for word in normalise(u.text) if word != MARK]
    except UnsupportedText:
        return []
    counts = [len(pronounce(word)) for word in words]
    if not spoken or sum(counts) != len(spoken) or 0 in counts:
        return []
    found, place = [], 0
    for word, count in zip(words, counts, strict=True):
        found.append(Word(word, spoken[place][0], spoken[place + count - 1][1]))
        place += count
    return found
