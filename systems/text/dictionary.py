"""The CMU pronouncing dictionary (BSD licence, see NOTICE): first pronunciations, without stress."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path

FILE = Path(__file__).parent / "cmudict.txt.gz"


@functools.lru_cache(maxsize=1)
def dictionary() -> dict[str, tuple[str, ...]]:
    """Lower-case word to its pronunciation, phones as in `phones.PHONES`. Read once."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return {word: tuple(phones) for word, *phones in map(str.split, lines)}
