"""What normalisation rules are made of: a step says what it does and does it."""

from __future__ import annotations

import functools
import re
import typing
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from ttsbench.metrics.models import MissingModel


class Step(typing.NamedTuple):
    """One step of normalisation: `say` in plain words, `do` from text to text."""

    say: str
    do: Callable[[str], str]


class Both(typing.NamedTuple):
    """A step over reference and hypothesis together, after all others: it changes both in the light of the other."""

    say: str
    do: Callable[[str, str], tuple[str, str]]


@dataclass(frozen=True)
class Rules:
    """Named steps in order. `hypothesis` are steps that the recogniser's text alone goes through first.

    `spaces` says whether a character rate counts the spaces. `both`: steps that see the two texts together, at the end.
    """

    name: str
    steps: tuple[Step, ...]
    source: str
    version: int = 1
    hypothesis: tuple[Step, ...] = ()
    spaces: bool = True
    both: tuple[Both, ...] = ()

    def __call__(self, text: str) -> str:
        """The text after all steps: the reference side."""
        for step in self.steps:
            text = step.do(text)
        return text

    def hypothesis_text(self, text: str) -> str:
        """A transcript after the hypothesis' own steps and all steps: the hypothesis side."""
        for step in self.hypothesis:
            text = step.do(text)
        return self(text)

    def pair(self, reference: str, hypothesis: str) -> tuple[str, str]:
        """Both texts after all steps."""
        left, right = self(reference), self.hypothesis_text(hypothesis)
        for step in self.both:
            left, right = step.do(left, right)
        return left, right

    def explain(self) -> str:
        """The steps as numbered lines."""
        lines = [f"hypothesis only: {step.say}" for step in self.hypothesis] + [step.say for step in self.steps]
        lines += [f"both together: {step.say}" for step in self.both]
        return "\n".join(f"{index}. {line}" for index, line in enumerate(lines, 1))


lower = Step("lower-case", str.lower)
spaces = Step("runs of white space become one space, none at the ends", lambda text: " ".join(text.split()))
characters = Step("split into characters: a space between all of them", " ".join)
straight = Step("curly apostrophes become straight", lambda text: text.replace("’", "'").replace("‘", "'"))
no_spaces = Step("delete all white space", lambda text: "".join(text.split()))
compose = Step("Unicode NFKC", functools.partial(unicodedata.normalize, "NFKC"))


@functools.lru_cache
def _opencc(table: str) -> Callable[[str], str]:
    try:
        import opencc
    except ImportError as fault:
        raise MissingModel("Chinese text needs package opencc: pip install opencc") from fault
    convert: Callable[[str], str] = opencc.OpenCC(table).convert
    return convert


simplify = Step("traditional to simplified characters (OpenCC t2s)", lambda text: _opencc("t2s")(text))
simplify_taiwan = Step(
    "traditional to simplified characters, 著 to 着 where it is a particle (OpenCC tw2s)",
    lambda text: _opencc("tw2s")(text),
)


def delete(what: str, say: str) -> Step:
    """Delete every character of `what`."""
    table = dict.fromkeys(map(ord, what))
    return Step(f"delete {say}", lambda text: text.translate(table))


def replace(pattern: str, by: str, say: str) -> Step:
    """Replace a regular expression."""
    compiled = re.compile(pattern)
    return Step(say, lambda text: compiled.sub(by, text))
