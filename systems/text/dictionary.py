"""The CMU pronouncing dictionary as pocketsphinx bundles it (BSD licence), without stress."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.lru_cache(maxsize=1)
def dictionary() -> dict[str, tuple[str, ...]]:
    """Lower-case word to its first pronunciation, phones as in `phones.PHONES`. Read once."""
    from pocketsphinx import get_model_path

    found: dict[str, tuple[str, ...]] = {}
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        for line in lines:
            word, *phones = line.split()
            if phones and "(" not in word:
                found[word] = tuple(phone.lower() for phone in phones)
    return found
