"""Text to phones for the small systems."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable

from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.letters import LETTERS, letters_to_phones
from ttsbench.systems.text.normalise import PAUSE as MARK
from ttsbench.systems.text.normalise import is_chinese, normalise
from ttsbench.systems.text.phones import ENGLISH, PAUSE, to_ids

_UNVOICED = frozenset("p t k f th".split())
_HISSING = frozenset("s z sh zh ch jh".split())
_MARKS = str.maketrans("。、「」『』《》〈〉【】·", '.,"""""""""",')
_NUMBER = re.compile(
    r"[¥$€£−-]?\s?\d[\d,]*(?:\.\d+)?(?:\s?[-–—~:/]\s?\d[\d,]*(?:\.\d+)?)*(?:\s?(?:%|°C|°F|°|km|kg|cm|mm|ml|mg|GB|MB|g|m)(?![A-Za-z]))?"
)
_OPENS = re.compile(r"\s*[,.;:?!()\[\]{}\"“”…—–-]")  # a pause before anything is said


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


def text_to_ids(text: str, known: int = len(ENGLISH)) -> list[int]:
    """The text's phones as numbers for a model that knows the first `known` phones.

    One that knows English alone gets `text_to_phones`, one that knows all gets `in_both`.
    """
    return to_ids(text_to_phones(text) if known <= len(ENGLISH) else in_both(text))


def in_both(text: str) -> list[str]:
    """Phones of a text in English and Mandarin, mixed as one likes, pauses as in `text_to_phones`. Never fails.

    A number is read in Mandarin where a Han character stands next to it, and in English elsewhere.
    """
    whole = "".join(c if c in "½¼¾" else unicodedata.normalize("NFKC", c) for c in text)
    if not any(map(is_chinese, whole)):
        return text_to_phones(text)
    from ttsbench.systems.text import mandarin  # pypinyin takes half a second to load

    whole = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in whole).translate(_MARKS)
    whole = _NUMBER.sub(lambda m: _number(mandarin.spelled, whole, m), whole)
    out = [PAUSE]
    for chinese, group in itertools.groupby(whole, is_chinese):
        part = "".join(group)
        if chinese:
            out += mandarin.pronounce(part)
            continue
        if out[-1] != PAUSE and _OPENS.match(part):
            out.append(PAUSE)
        for word in normalise(part):
            sounds = [PAUSE] if word == MARK else pronounce(word)
            out += [] if sounds == [PAUSE] == out[-1:] else sounds
    return out if out[-1] == PAUSE else [*out, PAUSE]


def _number(spelled: Callable[[str], str], text: str, match: re.Match[str]) -> str:
    """In Mandarin where a Han character stands right before or right after, spaces aside."""
    before = "".join(filter(is_chinese, text[: match.start()].rstrip()[-1:]))
    after = "".join(filter(is_chinese, text[match.end() :].lstrip()[:1]))
    if not before + after:
        return match[0]
    said = spelled(before + match[0] + after)  # what stands beside decides how it is read
    return said[len(before) : len(said) - len(after)]
