"""Chinese numbers in digits, whichever way they were written: 三十, 30 and 三〇 are one text."""

from __future__ import annotations

import re

from ttsbench.metrics.text.steps import Step

DIGITS = {**{each: str(value) for value, each in enumerate("零一二三四五六七八九")}, "〇": "0", "两": "2"}
SMALL = {"十": 10, "百": 100, "千": 1000}
LARGE = {"万": 10**4, "亿": 10**8}
RUN = re.compile(f"[0-9{''.join((*DIGITS, *SMALL, *LARGE))}]+")
TOKEN = re.compile("[0-9]+|.")
LONGEST = 15  # digits in a row; longer ones are no quantity
FREE = 10**9  # a unit above all: anything may follow
SIGNS = {"$": "美元", "¥": "元", "€": "欧元", "£": "英镑"}


def value(run: str) -> str:
    """A run of digits and number words in digits; as it is where it is no one number (千万, 三四十, 一五一十)."""
    if not any(each in SMALL or each in LARGE for each in run):
        return "".join(DIGITS.get(each, each) for each in run)  # a year, a telephone number
    total, section = 0, 0  # from 万 upwards; below
    unit, myriad, last = FREE, FREE, 0  # the smallest unit of the section, of the number; the one just before
    number: int | None = None
    for token in TOKEN.findall(run):
        if token in LARGE:
            size = LARGE[token]
            section += number or 0
            if not section and not total:
                return run
            total, section = (total + section) * size if size > myriad else total + section * size, 0
            number, unit, myriad, last = None, FREE, size, size
        elif token in SMALL:
            if number is None and token == "十" and last != 10:
                number = 1
            if number is None or SMALL[token] >= unit:
                return run
            unit = last = SMALL[token]
            section, number = section + number * unit, None
        elif number is not None or len(token) > LONGEST:
            return run
        elif token in "零〇":
            last = 0
        else:  # the last word after a unit counts the next lower one: 一万五 is 15,000
            last = 0 if token.isascii() else last
            number = int(DIGITS.get(token, token))
    return str(total + section + (number or 0) * max(1, last // 10))


def numbers(text: str) -> str:
    """Every number of a text in digits, with 点 for the point, 百分之 and the currency's name for the signs."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = RUN.sub(lambda match: value(match.group()), text)
    text = re.sub(r"(?<=\d)[.:](?=\d)", "点", text)
    text = re.sub(r"(\d+(?:点\d+)?)%", r"百分之\1", text)
    return re.sub(r"([$¥€£])(\d+(?:点\d+)?)", lambda match: match[2] + SIGNS[match[1]], text)


spoken = Step("numbers to digits: 三十 to 30, 两 to 2, 3.5 to 3点5, 5% to 百分之5, ¥5 to 5元", numbers)
