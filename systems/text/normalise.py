"""English text to plain words and pauses: numbers, money, times, abbreviations, symbols. Never fails but on Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from num2words import num2words

PAUSE = ","  # the one mark that survives normalisation
MOST_DIGITS = 15  # longer numbers are read digit by digit

ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "dr": "doctor",
    "prof": "professor",
    "st": "saint",
    "jr": "junior",
    "sr": "senior",
    "vs": "versus",
    "etc": "et cetera",
    "e.g": "for example",
    "i.e": "that is",
    "approx": "approximately",
    "dept": "department",
    "est": "established",
    "gen": "general",
    "capt": "captain",
    "col": "colonel",
    "lt": "lieutenant",
    "rev": "reverend",
    "hon": "honorable",
    "ave": "avenue",
    "blvd": "boulevard",
    "inc": "incorporated",
    "ltd": "limited",
    "co": "company",
}
UNITS = {
    "km": "kilometers",
    "kg": "kilograms",
    "cm": "centimeters",
    "mm": "millimeters",
    "mg": "milligrams",
    "ml": "milliliters",
    "mph": "miles per hour",
    "ft": "feet",
    "lb": "pounds",
    "lbs": "pounds",
    "oz": "ounces",
    "hz": "hertz",
    "khz": "kilohertz",
    "mhz": "megahertz",
    "ghz": "gigahertz",
    "gb": "gigabytes",
    "mb": "megabytes",
    "kb": "kilobytes",
    "tb": "terabytes",
    "am": "a m",
    "pm": "p m",
}
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "sen")}
SYMBOLS = {
    "&": " and ",
    "%": " percent ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "#": " number ",
    "°": " degrees ",
    "×": " times ",
    "÷": " divided by ",
    "½": " one half ",
    "¼": " one quarter ",
    "¾": " three quarters ",
    "©": " copyright ",
}


class UnsupportedText(ValueError):
    """Text in a language that the shipped checkpoints do not speak."""


def is_chinese(character: str) -> bool:
    """Whether a character is a Han ideograph (also used in Japanese) or Bopomofo."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "BOPOMOFO"))


def spell(number: int | float, to: str = "cardinal") -> str:
    """A number in words, without hyphens, commas and 'and'."""
    return re.sub(r"[-,]| and ", " ", num2words(number, to=to))


def digits(text: str) -> str:
    """'305' to 'three zero five'."""
    return " ".join(spell(int(d)) for d in text if d.isdecimal())


def cardinal(text: str) -> str:
    """A whole number that may hold commas, or its digits one by one where it is long or starts with zero."""
    plain = text.replace(",", "")
    if len(plain) > MOST_DIGITS or (len(plain) > 1 and plain[0] == "0"):
        return digits(plain)
    return spell(int(plain))


def _decimal(text: str) -> str:
    whole, _, part = text.partition(".")
    return f"{cardinal(whole or '0')} point {digits(part)}" if part else cardinal(whole)


def _money(match: re.Match[str]) -> str:
    sign, whole, part, scale = match["sign"], match["whole"].replace(",", ""), match["part"], match["scale"]
    big, small = MONEY[sign]
    if scale:
        return f" {_decimal(whole + ('.' + part if part else ''))} {scale} {big}s "
    words = f" {cardinal(whole)} {big}{'' if whole == '1' or big == 'yen' else 's'} "
    if part and part.strip("0"):
        cents = int((part + "0")[:2])
        plural = {"penny": "pence"}.get(small, small + "s")
        words += f"{spell(cents)} {small if cents == 1 else plural} "
    return words


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 23 or minute > 59:
        return f" {spell(hour)} {digits(match[2])} "
    tail = "o'clock" if minute == 0 and not match[3] else "" if minute == 0 else spell(minute)
    if 0 < minute < 10:
        tail = f"oh {tail}"
    half = f" {match[3][0].lower()} m" if match[3] else ""
    return f" {spell(hour)} {tail}{half} "


def _year(match: re.Match[str]) -> str:
    return f" {spell(int(match[0]), 'year')} "


def _ordinal(match: re.Match[str]) -> str:
    number = match[1].replace(",", "")
    return f" {digits(number) if len(number) > MOST_DIGITS else spell(int(number), 'ordinal')} "


def _decade(match: re.Match[str]) -> str:
    words = spell(int(match[1]), "year").strip()
    return " " + (words[:-1] + "ies" if words.endswith("y") else words + "s") + " "


def _unit(match: re.Match[str]) -> str:
    return f"{match[1]} {UNITS[match[2].lower()]} "


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r"(?P<sign>[$£€¥])\s?(?P<whole>\d[\d,]*)(?:\.(?P<part>\d+))?(?:\s+(?P<scale>thousand|million|billion|trillion))?"
        ),
        _money,
    ),
    (re.compile(r"\b(\d{1,2}):(\d{2})(?:\s*([AaPp])\.?[Mm]\b\.?)?"), _time),
    (re.compile(r"\b(\d[\d,]*)(?:st|nd|rd|th)\b", re.I), _ordinal),
    (re.compile(r"\b(1[1-9]\d0|20\d0)s\b"), _decade),
    (re.compile(rf"(\d)\s?({'|'.join(sorted(UNITS, key=len, reverse=True))})\b\.?", re.I), _unit),
    (
        re.compile(r"\b(\d{3})-(\d{3,4})(?:-(\d{4}))?\b"),
        lambda m: " " + " , ".join(digits(g) for g in m.groups() if g) + " ",
    ),
    (re.compile(r"(?<=\d)\s?[-–—]\s?(?=\d)"), lambda _: " to "),
    (re.compile(r"(?<![\w.])[-−](?=\d)"), lambda _: " minus "),
    (re.compile(r"\b(?:1[1-9]\d\d|20[0-3]\d)\b(?![.,]\d)"), _year),
    (re.compile(r"\d[\d,]*\.\d+|\.\d+"), lambda m: f" {_decimal(m[0].replace(',', ''))} "),
    (re.compile(r"\d+(?:,\d{3})*"), lambda m: f" {cardinal(m[0])} "),
)


def normalise(text: str) -> list[str]:
    """Lower-case words (letters and apostrophes) and `PAUSE` marks, never two in a row. UnsupportedText on Chinese.

    Accents are removed; characters of other scripts are left out; every other input gives a list, perhaps empty.
    """
    text = unicodedata.normalize("NFKC", "".join(SYMBOLS.get(c, c) if c in "½¼¾" else c for c in text))
    if any(is_chinese(c) for c in text):
        raise UnsupportedText(
            "Chinese text is unsupported by this checkpoint: the shipped small systems speak English only; "
            "use a published checkpoint or another system for it"
        )
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    text = re.sub(r"[‘’ʼ`´]", "'", text)
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    text = "".join(SYMBOLS.get(c, c) for c in text)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"\b([A-Za-z](?:[A-Za-z]|\.(?=[A-Za-z]))*)\.(?=[\s,]|$)", _abbreviation, text)
    out: list[str] = []
    for token in re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)*'?|[,.;:?!()\[\]{}\"“”…—–]|--", text):
        if token[0].isascii() and token[0].isalpha():
            out += _word(token.rstrip("'"))
        elif out and out[-1] != PAUSE:
            out.append(PAUSE)
    return out


def _abbreviation(match: re.Match[str]) -> str:
    known = ABBREVIATIONS.get(match[1].lower())
    if known is not None:
        return known + " "
    return match[1].replace(".", " ") + " " if "." in match[1] else match[0]


def _word(token: str) -> list[str]:
    """A word, or the letters of an acronym without vowels such as 'HTTP' or 'BBC'."""
    if token.isupper() and 1 < len(token) <= 6 and not re.search("[AEIOUY]", token):
        return list(token.lower())
    return [token.lower()]
