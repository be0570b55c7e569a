"""The Open TTS Leaderboard's rules (huggingface/open-tts-leaderboard beda09e and 0d6afb7), written from their facts.

English as the Open ASR leaderboard's, hyphens to spaces after. Chinese, Japanese, Korean by characters: the strict
rules, and the lenient ones with written differences that are not heard folded together; each fold keeps the length.
Other languages by words, numbers spelled, and words that are joined on one side alone joined on both. Chinese is
simplified by OpenCC (tw2s); theirs is zhconv (zh-cn), which is GPL: docs/protocols.md says where the two differ.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable

from ttsbench.metrics.text.steps import Both, Rules, Step, compose, lower, no_spaces, replace, simplify_taiwan, spaces
from ttsbench.metrics.text.whisper import HEAD, OPEN_ASR

SOURCE = "huggingface/open-tts-leaderboard beda09e, 0d6afb7"
JAPANESE_OR_KOREAN = re.compile("[\u3040-\u30ff\uac00-\ud7af]")  # kana, Hangul syllables
CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff\u3040-\u30ff\uac00-\ud7af]")
PRONOUNS = str.maketrans("妳牠", "你它")  # as zhconv has them; OpenCC takes them for simplified
HOMOPHONES = str.maketrans("地得她它", "的的他他")
HIRAGANA = str.maketrans({code: code - 0x60 for code in range(0x30A1, 0x30F7)})
NUMERALS = str.maketrans(
    "0123456789〇", "零一二三四五六七八九零"
)  # theirs has ○, too, but it is a symbol and gone by then
WORDS = "ar cs de el es fi fr hi hu id it nl pl pt ro ru sv tr uk vi".split()  # scored by words, as English
CHARACTERS = "ja ko th yue zh cmn".split()


def chinese_only(do: Callable[[str], str], otherwise: Callable[[str], str] = str) -> Callable[[str], str]:
    """`do` where the text holds neither kana nor Hangul, `otherwise` where it does."""
    return lambda text: otherwise(text) if JAPANESE_OR_KOREAN.search(text) else do(text)


class Letters(dict[int, str]):
    """A table for str.translate, filled as characters turn up: those of the Unicode groups `gone` become `by`."""

    def __init__(self, gone: str, by: str, kept: str = "") -> None:
        super().__init__({ord(letter): letter for letter in kept})
        self.gone, self.by = gone, by

    def __missing__(self, code: int) -> str:
        self[code] = self.by if unicodedata.category(chr(code))[0] in self.gone else chr(code)
        return self[code]


HEARD = Letters("MSP", "", kept="'")
SPACED = Letters("SP", " ")  # combining marks stay, as vowel signs are letters in Hindi


def words_only(text: str) -> str:
    """Letters, digits, combining marks and white space; all else goes."""
    return re.sub(r"[^\w\s]", lambda found: found[0] if unicodedata.category(found[0])[0] == "M" else "", text)


def spell(language: str) -> Callable[[str], str]:
    """Runs of digits in words of `language` by num2words; where it knows none, as they are."""

    def one(match: re.Match[str]) -> str:
        from num2words import num2words

        try:
            return str(num2words(int(match.group()), lang=language))
        except Exception:  # a language or a number that the package does not know: kept in digits, as theirs
            return match.group()

    return lambda text: re.sub(r"\d+", one, text)


def joined(reference: str, hypothesis: str) -> tuple[str, str]:
    """Where the two differ in nothing but the spaces between words, the words joined on both sides."""
    left, right = reference.split(), hypothesis.split()
    out: tuple[list[str], list[str]] = ([], [])
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right).get_opcodes():
        same = tag != "equal" and "".join(left[a:b]) == "".join(right[c:d])
        out[0].extend(["".join(left[a:b])] if same else left[a:b])
        out[1].extend(["".join(right[c:d])] if same else right[c:d])
    return " ".join(out[0]), " ".join(out[1])


simplify_chinese = Step(
    "traditional to simplified on both sides (OpenCC tw2s; 妳 to 你, 牠 to 它); not where kana or Hangul stand",
    chinese_only(lambda text: simplify_taiwan.do(text).translate(PRONOUNS)),
)
marks = Step(
    "marks, symbols, punctuation out (Unicode M, S, P), the straight apostrophe stays",
    lambda text: text.translate(HEARD),
)
homophones = Step(
    "she, it to he (她它 to 他), the three particles to one (地得 to 的); in a text with kana, katakana to hiragana",
    chinese_only(lambda text: text.translate(HOMOPHONES), lambda text: text.translate(HIRAGANA)),
)
hiragana = Step("katakana to hiragana (U+30A1 to U+30F6)", lambda text: text.translate(HIRAGANA))
numerals = Step("digits and 〇 one by one to 零 ... 九", lambda text: text.translate(NUMERALS))
hyphens = replace("-", " ", "hyphens to spaces")
join = Both("words that one side writes joined and the other apart are joined on both (difflib over words)", joined)


def _others(code: str) -> Rules:
    """The rules of a language that is none of the above; `code` names it to num2words."""
    steps = (
        *HEAD,
        compose,
        Step("symbols and punctuation to spaces; combining marks stay", lambda text: text.translate(SPACED)),
        lower,
        Step("all but letters, digits, combining marks and white space out", words_only),
        spaces,
        replace(r"(\d)\s+(\d{3})\b", r"\1\2", "a group of three digits after a space joins the digits before it"),
        Step(f"runs of digits in words (num2words, {code}; where it fails they stay)", spell(code)),
        hyphens,
    )
    return Rules(f"open-tts-{code}", steps, SOURCE, spaces=False, both=(join,))


STRICT = (compose, simplify_chinese, lower, marks)
LENIENT = (compose, simplify_chinese, homophones, lower, marks, numerals)  # the middle dot of names counts as kana
STRICT_JA = (compose, lower, marks)
RULES = (
    Rules("open-tts-en", (*OPEN_ASR, hyphens), SOURCE),
    Rules("open-tts-zh-strict", (*STRICT, no_spaces), SOURCE, spaces=False),
    Rules("open-tts-zh", (*LENIENT, no_spaces), SOURCE, spaces=False),
    Rules("open-tts-ja-strict", (*STRICT_JA, no_spaces), SOURCE, spaces=False),
    Rules("open-tts-ja", (*STRICT_JA, hiragana, numerals, no_spaces), SOURCE, spaces=False),
    *map(_others, [*WORDS, "th"]),
)
