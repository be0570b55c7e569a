"""Markdown tables. Ours, because pandas' need another package and do not escape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, inside a table cell."""
    return re.sub(r"\s+", " ", re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", str(text)))


def table(header: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; `right` says which columns are set flush right. Cells are Markdown already."""
    rule = [" ---: " if flush else " --- " for flush in right]
    lines = [f"|{'|'.join(rule)}|"]
    return [_line(header), *lines, *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
