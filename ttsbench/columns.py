"""Rows as aligned plain text, for the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

NARROWEST = 24  # characters: a wrapped last column gets no narrower


def table(rows: Sequence[Mapping[str, Any]], width: int = 0) -> str:
    """A line a row under the keys of the first row, the last column wrapped at `width` (0: the terminal's width)."""
    if not rows:
        return "(none)"
    *keys, last = rows[0]
    widths = {key: max(len(key), *(len(str(row.get(key, ""))) for row in rows)) for key in keys}
    indent = sum(widths.values()) + 2 * len(keys)
    rest = max(NARROWEST, (width or shutil.get_terminal_size((120, 24)).columns) - indent)
    lines = []
    for row in ({key: key for key in rows[0]}, *rows):
        start = "".join(f"{row.get(key, '')!s:{widths[key]}}  " for key in keys)
        wrapped = textwrap.wrap(str(row.get(last, "")), rest) or [""]
        lines.append((start + wrapped[0]).rstrip())
        lines += [" " * indent + more for more in wrapped[1:]]
    return "\n".join(lines)
