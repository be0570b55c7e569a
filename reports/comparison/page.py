"""A comparison as a page: the table, then the utterances that got worse with the audio before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.reports import beside, words
from ttsbench.reports.clips import Clips
from ttsbench.reports.comparison.output import figures
from ttsbench.reports.comparison.result import MARKS, Comparison, Row, Worse
from ttsbench.reports.render import render
from ttsbench.reports.values import amount


def write_page(found: Comparison, path: Path, title: str = "") -> None:
    """The page: the table, then the utterances that got worse with the audio before and after.

    `title`: its heading; "" for "NEW against BASE".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = Clips(path.parent)
    parts = []
    for row in found.rows:
        if not row.worse or not (found.fails(row) or row.beyond):
            continue
        parts.append((row, [_heard(each, clips) for each in row.worse]))
    metrics = {row.metric.name: row.metric for row in found.rows}
    text = render(
        "compare.html", ("player.js", "diff.js", "page.js"), {"audio": clips.urls()},
        title=title or f"{found.new} against {found.base}", heading_given=title, found=found,
        rows=[(row, figures(row)) for row in found.rows], details=[(row, _least(row)) for row in found.rows],
        metrics=list(metrics.values()), parts=parts, marks=_used(MARKS, found.rows),
    )  # fmt: skip
    beside.write(path, text)


def _least(row: Row) -> str:
    """The least change that so many rows can show: '12.30 points', '1.30 times'; a dash where none is known."""
    if row.can_show is None or row.difference is None:
        return "–"
    return f"{row.can_show:.2f} times" if row.difference.ratio is not None else amount(row.metric, row.can_show)


def _heard(each: Worse, clips: Clips) -> dict[str, Any]:
    return {
        "each": each,
        "before": clips.number(each.audio_before, first=True),
        "after": clips.number(each.audio_after, first=True),
        "truth": clips.number(each.sample.truth),
        "heard": (words.pair(each.before), words.pair(each.after)),
    }


def _used(marks: dict[str, str], rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(mark, meaning) for mark, meaning in marks.items() if any(row.mark == mark for row in rows)]
