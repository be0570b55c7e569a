"""From the phoneme characters of Kokoro (misaki's alphabet) and their ends to our phones and theirs."""

from __future__ import annotations

from collections.abc import Sequence

from ttsbench.systems.text.phones import PAUSE

Marks = list[tuple[str, float]]
_ENGLISH = {
    "A": "ey", "I": "ay", "W": "aw", "Y": "oy", "O": "ow", "Q": "ow", "æ": "ae", "a": "ae", "ɑ": "aa", "ɒ": "aa",
    "ɔ": "ao", "o": "ao", "ə": "ah", "ʌ": "ah", "ᵊ": "ah", "ɐ": "ah", "ɛ": "eh", "e": "eh", "ɜ": "er", "ɚ": "er",
    "ɪ": "ih", "ᵻ": "ih", "i": "iy", "ʊ": "uh", "u": "uw", "b": "b", "d": "d", "f": "f", "h": "hh", "j": "y", "k": "k",
    "l": "l", "m": "m", "n": "n", "p": "p", "s": "s", "t": "t", "v": "v", "w": "w", "z": "z", "ɡ": "g", "g": "g",
    "ŋ": "ng", "ɹ": "r", "ʃ": "sh", "ʒ": "zh", "ð": "dh", "θ": "th", "ʤ": "jh", "ʧ": "ch", "T": "t", "ɾ": "t",
    "ʔ": "t", "x": "k",
}  # fmt: skip
_BEFORE = frozenset("ˈˌ")  # belongs to what follows
_BEHIND = frozenset("ːʰʲ̃")  # belongs to what it stands behind
_VOWELS = frozenset("aeiouyɑɔəɛɤɨɚʊɥjw")
_ARROWS = frozenset("→↗↓↘")
SPACE = 0.08  # seconds; a longer space is a pause


def english(tokens: str, ends: Sequence[float]) -> Marks:
    """Phones of what was said, a pause at both ends; [] where a character is none of misaki's English ones."""
    marks: Marks = []
    start = 0.0
    for place, (token, end) in enumerate(zip(tokens, ends, strict=True)):
        edge = place in (0, len(tokens) - 1)
        if token == "ɹ" and marks and tokens[place - 1] in "əɜː" and marks[-1][0] in ("ah", "er"):
            marks[-1] = ("er", end)
        elif token in _ENGLISH:
            marks.append((_ENGLISH[token], end))
        elif token in _BEFORE:
            pass
        elif token in _BEHIND and marks:
            marks[-1] = (marks[-1][0], end)
        elif edge or (not token.isalpha() and end - start >= SPACE):
            marks = _paused(marks, end)
        elif not token.isalpha() and marks:
            pass  # a short space goes to what follows
        else:
            return []
        start = end
    return _paused(marks, ends[-1]) if marks else []


def mandarin(tokens: str, ends: Sequence[float], phones: Sequence[str]) -> Marks:
    """The `phones` of the text (`in_both`) with the ends of the characters that spell them; [] where they disagree.

    A syllable is its initial, maybe with ʰ, its vowels, the arrow of its tone, and n or ŋ.
    """
    marks: Marks = []
    place, wanted = 0, [phone for phone in phones if phone != PAUSE]
    starts = [0.0, *ends]

    def skip_pauses(marks: Marks, place: int) -> tuple[Marks, int]:
        while place < len(tokens) and not (tokens[place].isalpha() or tokens[place] in _ARROWS):
            if place in (0, len(tokens) - 1) or ends[place] - starts[place] >= SPACE:
                marks = _paused(marks, ends[place])
            place += 1
        return marks, place

    for phone in wanted:
        if phone.endswith("-") or not marks or not marks[-1][0].endswith("-"):
            marks, place = skip_pauses(marks, place)
        first = place
        if phone.endswith("-"):
            place += 1 if place < len(tokens) and tokens[place] not in _VOWELS else 0
            place += 1 if place < len(tokens) and tokens[place] == "ʰ" else 0
        else:
            while place < len(tokens) and tokens[place] in _VOWELS:
                place += 1
            place += 1 if place < len(tokens) and tokens[place] in _ARROWS else 0
            final = phone.split("-")[0]
            nasal = "ŋ" if final.endswith("ng") else "n" if final.endswith("n") else ""
            if nasal:
                if place >= len(tokens) or tokens[place] != nasal:
                    return []
                place += 1
                place += 1 if place < len(tokens) and tokens[place] in _ARROWS else 0
        if place == first:
            return []
        marks.append((phone, ends[place - 1]))
    marks, place = skip_pauses(marks, place)
    return _paused(marks, ends[-1]) if place == len(tokens) and marks else []


def _paused(marks: Marks, end: float) -> Marks:
    """With a pause up to `end`; two in a row are one."""
    if marks and marks[-1][0] == PAUSE:
        return [*marks[:-1], (PAUSE, max(end, marks[-1][1]))]
    return [*marks, (PAUSE, end)]
