"""RVCBench's rules (rvcbench 2.2.1): ASCII punctuation out and lower case; Chinese in words, cut by jieba."""

from __future__ import annotations

import string

from ttsbench.metrics.models import MissingModel
from ttsbench.metrics.text.steps import Rules, Step, delete, lower, replace, simplify, spaces

SOURCE = "rvcbench 2.2.1, evaluation/scorers"


def cut(text: str) -> str:
    """Words of a Chinese text with a space between them, by jieba's dictionary."""
    try:
        import jieba
    except ImportError as fault:
        raise MissingModel("Chinese words are cut by jieba: pip install jieba") from fault

    return " ".join(jieba.lcut(text))


RULES = (
    Rules("rvcbench-en", (delete(string.punctuation, "the 32 marks of ASCII, the apostrophe included"), lower), SOURCE),
    Rules(
        "rvcbench-zh",
        (
            simplify,
            replace(r"[^\w\s]", "", "all but letters, digits, `_` and white space out"),
            spaces,
            replace(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])", "", "no space between Chinese characters"),
            Step("cut into words by jieba; case is kept", cut),
        ),
        SOURCE,
    ),
)
