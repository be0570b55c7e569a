"""Our own rules for the embedded protocol: fair to a recogniser that writes words only, with no digits or marks."""

from __future__ import annotations

import re
import unicodedata

from ttsbench.metrics.text import chinese
from ttsbench.metrics.text.steps import (
    Rules,
    Step,
    characters,
    compose,
    lower,
    no_spaces,
    replace,
    simplify_taiwan,
    spaces,
    straight,
)

NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+(?:st|nd|rd|th)\b|\d+")
BEFORE, AFTER = " (\"'", " ,.;:!?)\"'"  # next to these a number's words need no space of their own
LONGEST = 15  # digits; longer ones are read one by one


def spell_numbers(text: str) -> str:
    """Digits as English words: 21 -> twenty one, 2nd -> second, 1,200 -> one thousand two hundred; 4G -> four G."""
    if not any(character.isdigit() for character in text):
        return text
    from num2words import num2words

    def spell(match: re.Match[str]) -> str:
        digits = match.group().replace(",", "")
        if len(digits) > LONGEST:
            words = " ".join(num2words(int(digit)) for digit in digits if digit.isdecimal())
        elif digits.endswith(("st", "nd", "rd", "th")):
            words = num2words(int(digits[:-2]), to="ordinal")
        elif "." in digits:
            whole, _, part = digits.partition(".")
            words = num2words(int(whole)) + " point " + " ".join(num2words(int(digit)) for digit in part)
        else:
            words = num2words(int(digits))
        words = words.replace(" and ", " ").replace("-", " ").replace(",", "")
        before, after = text[: match.start()][-1:], text[match.end() :][:1]  # "" at the ends
        return " " * (before not in BEFORE) + words + " " * (after not in AFTER)

    return NUMBER.sub(spell, text)


def without_accents(text: str) -> str:
    """Letters without their combining marks: naïve -> naive."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


numbers = Step("numbers in digits become English words, without `and`", spell_numbers)
accents = Step("accents off", without_accents)
marks = replace(r"[^\w']|_", " ", "all but letters, digits and apostrophes become spaces")
quotes = replace(r"(?<!\w)'|'(?!\w)", " ", "apostrophes at the edge of a word go")
letters_only = replace(r"[^\w]|_", "", "all but letters and digits go")

all_but_letters = replace(r"[^A-Za-z ]", "", "delete all but letters and spaces: apostrophes go, words join at hyphens")

OURS = "ttsbench"
RULES = (
    Rules("plain-en", (compose, straight, lower, numbers, accents, marks, quotes, spaces), OURS),
    Rules(
        "keonlee",
        (numbers, all_but_letters, lower, spaces),
        "evaluate-zero-shot-tts 6cbbe8f; its numbers are spelled by NVIDIA NeMo, ours by num2words",
        spaces=False,
    ),
    Rules(
        "livespeech",
        (numbers, all_but_letters, lower),
        "published logs of LiveSpeech: letters and spaces alone, apostrophes deleted, numbers spelled",
        2,
    ),
    Rules(
        "plain-zh",
        (compose, simplify_taiwan, lower, no_spaces, chinese.spoken, letters_only, characters),
        OURS,
        3,
        spaces=False,
    ),
    Rules("plain-ja", (compose, lower, letters_only, no_spaces, characters), OURS, spaces=False),
)
