"""What LiveSpeech reads: characters at full size, phones in the small preset; words that are still coming."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ttsbench.errors import UserError
from ttsbench.systems.livespeech.design import CHARACTERS
from ttsbench.systems.text.phones import ENGLISH


def characters(text: str) -> list[int]:
    """The paper's alphabet: space, apostrophe, a to z as 1 to 28; numbers in words, punctuation left out."""
    from ttsbench.systems.text.normalise import PAUSE, normalise

    words = [word for word in normalise(text) if word != PAUSE]
    return [CHARACTERS.index(letter) + 1 for letter in " ".join(words) if letter in CHARACTERS]


def symbols_of(text: str, known: int = len(ENGLISH)) -> list[int]:
    """Phones with pauses, for a model that knows `known` of them.

    ValueError where there is nothing to say or the model does not know the language.
    """
    from ttsbench.systems.text.frontend import text_to_ids

    symbols = text_to_ids(text, known)
    if set(symbols) <= {1}:
        raise UserError(f"nothing to say in {text!r}")
    return symbols


def clauses(words: Iterable[str], fewest: int = 4, most: int = 12) -> Iterator[str]:
    """Clauses of words that come one by one: they end at punctuation after `fewest` words, or after `most`."""
    held: list[str] = []
    for word in words:
        held.append(word)
        if len(held) >= most or (len(held) >= fewest and re.search(r"[.,;:!?]\W*$", word)):
            yield " ".join(held)
            held = []
    if held:
        yield " ".join(held)
