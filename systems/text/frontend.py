"""Text to phones for the small systems."""

from __future__ import annotations

from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.letters import LETTERS, letters_to_phones
from ttsbench.systems.text.normalise import PAUSE as MARK
from ttsbench.systems.text.normalise import normalise
from ttsbench.systems.text.phones import PAUSE, to_ids

_UNVOICED = frozenset("p t k f th".split())
_HISSING = frozenset("s z sh zh ch jh".split())


def pronounce(word: str) -> list[str]:
    """Phones of a lower-case word: the dictionary, an ending on a dictionary word, two words in one, letter rules."""
    known = dictionary()
    if word in known:
        return list(known[word])
    if len(word) == 1:
        return list(LETTERS.get(word, ()))
    ended = _ending(word, known)
    if ended:
        return ended
    plain = word.replace("'", "")
    for cut in range(len(plain) - 3, 2, -1):
        if plain[:cut] in known and plain[cut:] in known:
            return [*known[plain[:cut]], *known[plain[cut:]]]
    return letters_to_phones(plain)


def _ending(word: str, known: dict[str, tuple[str, ...]]) -> list[str]:
    """A dictionary word with 's, s, ed or ing; [] where that is not what it is."""
    for ending in ("'s", "es", "s", "'"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1 and stem in known:
            last = known[stem][-1]
            sound = [] if ending == "'" else ["ih", "z"] if last in _HISSING else ["s"] if last in _UNVOICED else ["z"]
            return [*known[stem], *sound]
    for ending, sounds in (("ing", ["ih", "ng"]), ("ed", ["d"]), ("ly", ["l", "iy"]), ("ness", ["n", "ah", "s"])):
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        for base in (stem, stem + "e"):
            if base in known:
                last = known[base][-1]
                if ending == "ed":
                    sounds = (
                        ["ih", "d"] if last in "td" else ["t"] if last in _UNVOICED | _HISSING - {"z", "jh"} else ["d"]
                    )
                return [*known[base], *sounds]
    return []


def text_to_phones(text: str) -> list[str]:
    """Phones of a text, with a pause at both ends and at punctuation, as in the corpus.

    Never fails but with `UnsupportedText` on Chinese; text without anything to say gives a single pause.
    """
    out = [PAUSE]
    for word in normalise(text):
        sounds = [PAUSE] if word == MARK else pronounce(word)
        if sounds == [PAUSE] and out[-1] == PAUSE:
            continue
        out += sounds
    if out[-1] != PAUSE:
        out.append(PAUSE)
    return out


def text_to_ids(text: str) -> list[int]:
    """As `text_to_phones`, as numbers for the models."""
    return to_ids(text_to_phones(text))
