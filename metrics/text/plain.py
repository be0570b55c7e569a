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
)

APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u201b\u02bc\u00b4\u0060\u2032\uff07\u055a\ua78c"), "'")
CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro"}
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


UNITS = "one two three four five six seven eight nine".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_BELOW = f"(?:(?:{'|'.join(TENS)})(?: (?:{'|'.join(UNITS)}))?|{'|'.join(TEENS)})"
YEAR = re.compile(
    rf"\b(?P<first>{'|'.join(TEENS)}|twenty) (?:(?:oh|o) (?P<unit>{'|'.join(UNITS)})|(?P<rest>{_BELOW})|hundred)\b"
)

AND = re.compile(rf"\b(hundred|thousand) and (?=(?:{'|'.join([*UNITS, *TENS, *TEENS])})\b)")


def as_numbers(text: str) -> str:
    """Years read in pairs as the number they are: nineteen eighty four -> one thousand nine hundred eighty four."""

    def number(match: re.Match[str]) -> str:
        first = match["first"]
        pair = 20 if first == "twenty" else 10 + TEENS.index(first)
        thousand, hundred = divmod(pair, 10)
        words = [UNITS[thousand - 1], "thousand"] + ([UNITS[hundred - 1], "hundred"] if hundred else [])
        return " ".join([*words, *filter(None, (match["unit"], match["rest"]))])

    return AND.sub(r"\1 ", YEAR.sub(number, text))


def read_signs(text: str) -> str:
    """Signs as English words: 50% -> 50 percent, $5 -> 5 dollars, .5 -> point 5, -5 -> minus 5, & -> and."""

    def money(match: re.Match[str]) -> str:
        return f"{match[2]} {CURRENCIES[match[1]]}{'' if match[2] == '1' else 's'}"

    text = re.sub(r"(?<=[\d])\s?%", " percent ", text)
    text = re.sub(r"([$£€])\s?(\d+(?:,\d{3})*(?:\.\d+)?)", money, text)
    text = re.sub(r"(?<![\w.])\.(\d+)\b", lambda match: "point " + " ".join(match[1]), text)
    text = re.sub(r"(?<!\S)[-\u2212](?=(?:\d|point \d))", "minus ", text)
    return text.replace("&", " and ")


def without_accents(text: str) -> str:
    """Letters without their combining marks: naïve -> naive."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


unseen = Step(
    "delete characters that are not seen (soft hyphen, zero-width and direction marks: Unicode Cf)",
    lambda text: "".join(letter for letter in text if unicodedata.category(letter) != "Cf"),
)
apostrophes = Step(
    "curly apostrophes, accents that stand alone and U+02BC become straight apostrophes",
    lambda text: text.translate(APOSTROPHES),
)
signs = Step("percent, dollars, pounds, euros, a leading point or minus, and & become English words", read_signs)
counted = "numbers in digits become English words, without `and`; amounts of two units are read one after the other"
years = Step(
    "years read in pairs become numbers: one thousand nine hundred eighty four; `and` in numbers goes",
    as_numbers,
)
numbers = Step("numbers in digits become English words, without `and`", spell_numbers)
accents = Step("accents off", without_accents)
marks = replace(r"[^\w']|_", " ", "all but letters, digits and apostrophes become spaces")
quotes = replace(r"(?<!\w)'|'(?!\w)", " ", "apostrophes at the edge of a word go")
letters_only = replace(r"[^\w]|_", "", "all but letters and digits go")

all_but_letters = replace(r"[^A-Za-z ]", "", "delete all but letters and spaces: apostrophes go, words join at hyphens")

OURS = "ttsbench"
RULES = (
    Rules(
        "plain-en",
        (
            unseen,
            apostrophes,
            compose,
            lower,
            signs,
            Step(counted, spell_numbers),
            accents,
            marks,
            quotes,
            spaces,
            years,
        ),
        OURS,
        3,
    ),
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
