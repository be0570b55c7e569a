"""Types for the commands' options: each turns one word into a value, or says which values it takes."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable

from ttsbench.errors import unknown


def count(low: int = 1) -> Callable[[str], int]:
    """A whole number of at least `low`."""

    def convert(word: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", word) or int(word) < low:
            raise argparse.ArgumentTypeError(f"{word!r}: give a whole number of at least {low}")
        return int(word)

    return convert


def number(low: float, high: float = float("inf")) -> Callable[[str], float]:
    """A number above `low` and below `high`."""
    bounds = f"above {low:g}" + (f" and below {high:g}" if high < float("inf") else "")

    def convert(word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = low
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"{word!r}: give a number {bounds}")
        return value

    return convert


def share(word: str) -> float:
    """A share from 0 to 1."""
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{word!r}: give a share from 0 to 1, such as 0.05")
    return value


def one_of(kind: str, names: Iterable[str]) -> Callable[[str], str]:
    """One of `names`; for another word, the closest of them."""
    known = list(names)

    def convert(word: str) -> str:
        if word not in known:
            raise argparse.ArgumentTypeError(unknown(kind, word, known))
        return word

    return convert


def words(word: str) -> tuple[str, ...]:
    """'wer,sim-o' as ('wer', 'sim-o')."""
    found = tuple(dict.fromkeys(part.strip() for part in word.split(",") if part.strip()))
    if not found:
        raise argparse.ArgumentTypeError(f"{word!r}: give names with commas between; leave the option out for all")
    return found


def column(word: str) -> tuple[str, str]:
    """'text=sentence' as ('text', 'sentence'): a field of a sample, and the manifest's column that holds it."""
    from ttsbench.testsets.manifests import FIELDS, OUTPUT

    name, equals, own = word.partition("=")
    if name not in (*FIELDS, OUTPUT):
        raise argparse.ArgumentTypeError(unknown("field", name, (*FIELDS, OUTPUT)))
    if not equals or not own:
        raise argparse.ArgumentTypeError(f"{word!r}: give {name}=COLUMN")
    return name, own


def limit(word: str) -> tuple[str, float]:
    """'wer=10' as ('wer', 10.0): a metric, and the value that a system may not be worse than."""
    name, equals, value = word.partition("=")
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not name or not equals or not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"{word!r}: give METRIC=VALUE, such as wer=10")
    return name, found


def label(word: str) -> tuple[str, str]:
    """'flite=Flite 2.2' as ('flite', 'Flite 2.2'): a system or a run folder, and what it is called."""
    name, equals, text = word.partition("=")
    if not name or not equals or not text.strip():
        raise argparse.ArgumentTypeError(f"{word!r}: give NAME=LABEL, such as flite='Flite 2.2'")
    return name, text.strip()


def device(word: str) -> str:
    """cpu, mps, cuda or cuda:N. Whether it is there is found out when the command runs."""
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", word):
        raise argparse.ArgumentTypeError(f"{word!r}: give cpu, mps, cuda or cuda:N")
    return word


def devices(word: str) -> str:
    """One device, or several with commas between: 'cuda:0,cuda:1'."""
    found = [device(each) for each in word.split(",")]
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{word!r}: give each device once")
    return word


def shard(word: str) -> tuple[int, int]:
    """'2/4' as (2, 4)."""
    found = re.fullmatch(r"(\d+)/(\d+)", word)
    index, pieces = (int(part) for part in found.groups()) if found else (0, 0)
    if not 1 <= index <= pieces:
        raise argparse.ArgumentTypeError(f"{word!r}: give I/N with I from 1 to N, such as 2/4")
    return index, pieces
