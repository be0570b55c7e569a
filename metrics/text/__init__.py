"""Text normalisation: named, versioned rules, each a list of steps that can be read and printed.

`rules(name)` gives the rules; calling them normalises a text; `explain` prints the steps in order.
"""

from __future__ import annotations

from ttsbench.errors import UserError
from ttsbench.metrics.text import open_tts, plain, rvcbench, seed, whisper
from ttsbench.metrics.text.steps import Rules

__all__ = ["RULES", "Rules", "rules"]

_TABLES = (plain, seed, whisper, open_tts, rvcbench)
RULES: dict[str, Rules] = {each.name: each for table in _TABLES for each in table.RULES}


def rules(name: str) -> Rules:
    """The rules called `name`; raises ValueError with the known names for another."""
    if name not in RULES:
        raise UserError(f"no text rules {name!r}; there are: {', '.join(sorted(RULES))}")
    return RULES[name]
