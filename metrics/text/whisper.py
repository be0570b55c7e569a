"""Whisper's own text normalisers, from the openai-whisper package, and what other evaluators built on them.

The two files are loaded without importing the package, which would load torch. Mind that the English one turns `...`
into `.`, so an empty text is not seen as empty, and writes numbers in digits.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ttsbench.metrics.models import MissingModel, packaged
from ttsbench.metrics.text import open_asr
from ttsbench.metrics.text.steps import Rules, Step, lower, replace, straight

HIDDEN = "_ttsbench_whisper_normalizers"
WORD = re.compile(r"\w+")
SIGN = re.compile(r"[\d.%$¢€£]")


@functools.lru_cache(maxsize=1)
def _package() -> ModuleType:
    """`whisper.normalizers` under a name of our own, so that `whisper/__init__.py` does not run."""
    try:
        path = packaged("whisper", "normalizers/__init__.py", "openai-whisper")
    except MissingModel as fault:
        raise MissingModel(f"Whisper's text rules need it: {fault}") from fault
    spec = importlib.util.spec_from_file_location(HIDDEN, path, submodule_search_locations=[str(path.parent)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[HIDDEN] = module
    spec.loader.exec_module(module)
    return module


@functools.lru_cache(maxsize=1)
def _basic() -> Step:
    return Step("", _package().BasicTextNormalizer())


class _Marks(dict[int, str]):
    """`remove_symbols_and_diacritics` of the package as a table for str.translate, filled as characters turn up."""

    def __missing__(self, code: int) -> str:
        clean = importlib.import_module(f"{HIDDEN}.basic").remove_symbols_and_diacritics
        self[code] = clean(chr(code), keep=".%$¢€£")
        return self[code]


@dataclass(frozen=True)
class _Parts:
    """The pieces of the English normaliser. A replacement is due with an apostrophe or a title."""

    symbols: _Marks
    numbers: Any
    number_words: set[str]
    spelling: Callable[[str], str]
    replacers: dict[re.Pattern[str], str]
    titles: set[str]


@functools.lru_cache(maxsize=1)
def _parts() -> _Parts:
    whole = _package().EnglishTextNormalizer()
    replacers = {re.compile(pattern): by for pattern, by in whole.replacers.items()}
    titles = {pattern.replace(r"\b", "") for pattern in whole.replacers if "'" not in pattern}
    numbers = whole.standardize_numbers
    number_words = (numbers.words - {"and"}) | {"half"}  # `and` does nothing without one of the others
    return _Parts(_Marks(), numbers, number_words, whole.standardize_spellings, replacers, titles)


def _expand(text: str, is_: tuple[str, str] | None = None) -> str:
    """`is_`: pattern and replacement that stand for the package's own rule of 's."""
    parts = _parts()
    if "'" in text or not parts.titles.isdisjoint(WORD.findall(text)):
        for pattern, by in parts.replacers.items():
            if is_ is not None and pattern.pattern == r"'s\b":
                text = re.sub(*is_, text)
            else:
                text = pattern.sub(by, text)
    return text


PRONOUN_IS = (rf"\b({'|'.join(open_asr.IS.split())})'s\b", r"\1 is")


_spelling_table = functools.lru_cache(maxsize=1)(open_asr.spellings)


def _spell(text: str) -> str:
    """Whisper's table, but theirs where the two differ."""
    table, whole = _spelling_table(), _parts().spelling.mapping  # type: ignore[attr-defined]
    return " ".join(table.get(word, whole.get(word, word)) for word in text.split())


def _numbers(text: str) -> str:
    """Number words to digits; texts without any are the rule and skip the package's slow reading."""
    words = text.split()
    if SIGN.search(text) or not _parts().number_words.isdisjoint(words):
        return str(_parts().numbers(text))
    return " ".join(words)


def _strip_marks(text: str) -> str:
    return unicodedata.normalize("NFKD", text).translate(_parts().symbols)


def _join_letters(text: str) -> str:
    """Runs of single letters and digits become a word: `u s a` -> `usa`; of three or more where one is `a` or `i`."""
    out: list[str] = []
    run: list[str] = []
    for word in [*text.split(), ""]:
        if len(word) == 1 and word.isalnum():
            run.append(word)
            continue
        least = 3 if {"a", "i"} & set(run) else 2
        out += ["".join(run)] if len(run) >= least else run
        run = []
        out.append(word)
    return " ".join(out[:-1])


@functools.lru_cache(maxsize=1)
def _compound_patterns() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(rf"\b{apart.replace(' ', chr(92) + 's+')}\b"), one) for apart, one in open_asr.compounds()]


def _compounds(text: str) -> str:
    for pattern, one in _compound_patterns():
        text = pattern.sub(one, text)
    return text


_name_table = functools.lru_cache(maxsize=1)(open_asr.names)


def _names(text: str) -> str:
    return " ".join(_name_table().get(word, word) for word in text.split())


basic = Step(
    "Whisper's basic normaliser: lower-case; text in <> [] () out; marks and symbols to spaces; spaces collapsed",
    lambda text: _basic().do(text),
)
FILLERS = (
    "hmm mm mhm mmm uh um ah aha ahh ahm eh ehehe em hm huh hum mhum uhm umm uhuh".split()  # open_asr_leaderboard's
)
fillers = replace(rf"\b({'|'.join(FILLERS)})\b", "", f"fillers out: {', '.join(FILLERS)}")

FEWER = "hmm mm mhm mmm uh um".split()  # Whisper's
HEAD = (
    lower,
    replace(r"[<\[][^>\]]*[>\]]", "", "text in <> and [] out"),
    replace(r"\(([^)]+?)\)", "", "text in () out"),
)
apostrophe = replace(r"\s+'", "'", "no space before an apostrophe")
PLAIN = (
    replace(r"(\d),(\d)", r"\1\2", "commas between digits out"),
    replace(r"\.([^0-9]|$)", r" \1", "full stops not before a digit out"),
    Step("NFKD, diacritics out, marks and symbols to spaces except . % $ ¢ € £", _strip_marks),
)
digits = Step("number words to digits (Whisper's rules)", _numbers)
WHISPERS = (
    apostrophe,
    Step("contractions and titles expanded (Whisper's table)", _expand),
    *PLAIN,
    digits,
    Step("UK to US spelling (Whisper's table)", lambda text: _parts().spelling(text)),
)
TAIL = (
    replace(r"[.$¢€£]([^0-9])", r" \1", "currency signs and full stops not before a digit out"),
    replace(r"([^0-9])%", r"\1 ", "per cent signs not after a digit out"),
    replace(r"\s+", " ", "runs of white space become one space"),
)
acronyms = Step(
    "single letters and digits in a row joined: two or more, three or more where one is `a` or `i`", _join_letters
)
fewer = replace(rf"\b({'|'.join(FEWER)})\b", "", f"{', '.join(FEWER)} out")
compounds = Step("compounds in one word (their table: wi fi, all right, p m, ...)", lambda text: _compounds(text))
names = Step("names in one spelling (their table: Jon to John, ...)", lambda text: _names(text))
ENGLISH = (*HEAD, fewer, *WHISPERS, *TAIL)
OPEN_ASR = (
    *HEAD,
    fillers,
    apostrophe,
    Step(
        f"contractions and titles expanded; 's is `is` only after {open_asr.IS}", lambda text: _expand(text, PRONOUN_IS)
    ),
    *PLAIN,
    compounds,
    digits,
    Step("UK to US spelling (Whisper's table with theirs over it)", _spell),
    names,
    acronyms,
    *TAIL,
)
letters_kept = replace(r"[^A-Za-z0-9' ]", "", "delete all but A-Z, a-z, 0-9, the apostrophe and the space")

RULES = (
    Rules("whisper-en", ENGLISH, "openai-whisper's EnglishTextNormalizer; VERSA's whisper_en"),
    Rules("whisper-basic", (basic,), "openai-whisper's BasicTextNormalizer; VERSA's whisper_basic"),
    Rules("open-asr", OPEN_ASR, "open_asr_leaderboard d1e99b2"),
    Rules("zipvoice-hubert", (straight, letters_kept, lower), "ZipVoice 2f7326f, HuBERT script"),
)
