"""Mandarin text to phones: numbers as Mandarin says them, then initials and finals with the dictionary's tones."""

from __future__ import annotations

import re
from collections.abc import Callable

from pypinyin import Style, lazy_pinyin
from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

from ttsbench.systems.text.phones import IDS

_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "兆")
MOST_DIGITS = 16  # longer numbers are read digit by digit
MONEY = {"¥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
UNITS = {
    "km": "公里", "kg": "公斤", "cm": "厘米", "mm": "毫米", "ml": "毫升", "mg": "毫克", "g": "克", "m": "米",
    "°C": "摄氏度", "°F": "华氏度", "°": "度", "GB": "吉字节", "MB": "兆字节",
}  # fmt: skip
# Interjections that have no vowel, and what pypinyin's tables give no final for
_WHOLE = {"n": "en", "m": "en", "ng": "en", "hm": "en", "hng": "eng", "r": "er"}


def digits(text: str) -> str:
    """'305' to '三零五'."""
    return "".join(_DIGITS[int(c)] for c in text if c in "0123456789")


def cardinal(text: str) -> str:
    """A whole number of ASCII digits, maybe with commas: '12,003' to '一万二千零三'; digit by digit where it is long or
    starts with zero.
    """
    plain = text.replace(",", "")
    if len(plain) > MOST_DIGITS or (len(plain) > 1 and plain[0] == "0"):
        return digits(plain)
    groups = [plain[max(0, end - 4) : end] for end in range(len(plain), 0, -4)]
    out = ""
    for power in range(len(groups) - 1, -1, -1):
        said = _thousands(groups[power])
        if said:
            gap = bool(out) and (groups[power][0] == "0" or out[-1] not in _GROUPS)
            out += ("零" if gap else "") + said + _GROUPS[power]
    out = out or "零"
    return out[1:] if out.startswith("一十") else out


def _thousands(group: str) -> str:
    """At most four digits in words, '' for zero."""
    out, gap = "", False
    for place, digit in zip(range(len(group) - 1, -1, -1), group, strict=True):
        if digit == "0":
            gap = bool(out)
            continue
        out += ("零" if gap else "") + _DIGITS[int(digit)] + _PLACES[place]
        gap = False
    return out


def number(text: str) -> str:
    """A number that may have decimals: '3.50' to '三点五零'."""
    whole, point, part = text.partition(".")
    return cardinal(whole or "0") + (f"点{digits(part)}" if point and part else "")


def _money(match: re.Match[str]) -> str:
    amount = match[2].replace(",", "")
    return number(re.sub(r"\.0*$|(\.\d*?)0+$", r"\1", amount)) + (match[3] or "") + MONEY[match[1]]


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 24 or minute > 59:
        return f"{number(match[1])}比{number(match[2])}"
    said = "两" if hour == 2 else cardinal(str(hour))
    return (
        f"{said}点"
        + ("" if minute == 0 else "零" + digits(str(minute)) if minute < 10 else cardinal(str(minute)))
        + ("分" if minute else "")
    )


_UNITS = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?<![0-9A-Za-z.%])[-−](?=\d)"), lambda _: "负"),
    (re.compile(r"([¥$€£])\s?(\d[\d,]*(?:\.\d+)?)([万亿千百]?)"), _money),
    (re.compile(r"(?<!\d)(\d{4})(?=\s?年)"), lambda m: digits(m[1])),
    (re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?![\d:])"), _time),
    (re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?%"), lambda m: f"百分之{number(m[1])}"),
    (re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])"), lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"),
    (re.compile(r"(?<!\d)1\d{10}(?!\d)|(?<!\d)\d{3,4}-\d{7,8}(?!\d)"), lambda m: digits(m[0])),
    (re.compile(rf"(\d[\d,]*(?:\.\d+)?)\s?({_UNITS})(?![A-Za-z])"), lambda m: number(m[1]) + UNITS[m[2]]),
    (re.compile(r"(?<=\d)\s?[-–—~]\s?(?=\d)"), lambda _: "到"),
    (re.compile(r"(?<!\d)2(?=[个只位本张条天种块斤双件家名])"), lambda _: "两"),
    (re.compile(r"\d[\d,]*\.\d+"), lambda m: number(m[0])),
    (re.compile(r"\d+(?:,\d{3})*"), lambda m: cardinal(m[0])),
)


def spelled(text: str) -> str:
    """The numbers of a Mandarin text in characters; everything else stays."""
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return text


def pronounce(han: str) -> list[str]:
    """Phones of Han characters; those without a known reading are left out. Never fails."""
    found: list[str] = []
    for syllable in lazy_pinyin(han, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore"):
        found += phones_of(syllable)
    return found


def phones_of(syllable: str) -> list[str]:
    """A syllable such as 'zhang1' or 'er5' as initial and final, ['zh-', 'ang-1']; [] where it is none."""
    plain, tone = syllable.rstrip("012345"), syllable[-1:]
    tone = tone if tone in "12345" else "5"
    if plain in _WHOLE:
        return [f"{_WHOLE[plain]}-{tone}"]
    initial = to_initials(plain)
    final = f"{to_finals_tone3(plain + tone).rstrip('12345')}-{tone}"
    return ([f"{initial}-"] if initial else []) + [final] if final in IDS else []
