"""What every metric needs of an item: whether there is output, where the part to be measured begins."""

from __future__ import annotations

from ttsbench.records import Item


def start(item: Item) -> float:
    """Seconds of prompt at the head of output and truth, to be cut: only a continuation has them."""
    return item.sample.prompt_seconds if item.sample.task == "continuation" else 0.0


def start_of_text(item: Item) -> float:
    """Where `sample.text` begins: after the prompt if the prompt's own text is known, else at the head."""
    return start(item) if item.sample.prompt_text else 0.0


def missing(item: Item) -> str:
    """Why there is nothing to measure, "" where there is an output."""
    if item.synthesis.error:
        return item.synthesis.error
    return "" if item.audio is not None else "no output"


def applies(item: Item) -> str:
    """`na` of a metric that always applies."""
    return ""
