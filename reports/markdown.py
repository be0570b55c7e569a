"""Markdown tables whose cells show what they hold, whatever stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, inside a table cell."""
    return re.sub(r"\s+", " ", re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", str(text)))


def code(text: object) -> str:
    """Text as code, on one line."""
    return "`" + re.sub(r"[`|\s]+", " ", str(text)).strip() + "`"


def table(header: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str]]) -> str:
    """A table; `right` says which columns are set flush right. Cells are Markdown already."""
    data = pd.DataFrame([list(row) for row in rows], columns=list(header))
    sides = ["right" if flush else "left" for flush in right] if len(data) else None
    return str(data.to_markdown(index=False, disable_numparse=True, colalign=sides))
