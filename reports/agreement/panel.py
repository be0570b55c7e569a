"""Ratings of single clips, from rating sheets with their key or from a table, as one array (raters, clips)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsbench.reports.listening import files, plan
from ttsbench.reports.listening.analysis import check, join
from ttsbench.reports.tables import ReportError

COLUMNS = ("rater", "system", "sample")  # of a table; the rating's column is called rating or value
RATED = ("rating", "value")
Rated = tuple[str, str, str, float]  # rater, system, sample, rating


@dataclass(frozen=True)
class Panel:
    """`ratings` (raters, clips), NaN where a rater did not hear a clip; a clip is a (system, sample).

    `question` is what raters were asked; `left_out` says whose answers do not count, and why.
    """

    raters: list[str]
    clips: list[tuple[str, str]]
    ratings: np.ndarray
    question: str
    left_out: list[str]


def of_sheets(sheets: Sequence[Path], key: Path, keep_all: bool = False) -> Panel:
    """Filled sheets of `ttsbench ratings export`. Raters that fail their checks are left out unless `keep_all`.

    Raises ReportError for a design that compares pairs, and where no answer is usable.
    """
    known = plan.load_key(key)
    design = plan.DESIGNS[str(known["design"])]
    if design.pairs:
        raise ReportError(f"{key}: design {design.name} compares pairs; agreement needs ratings of single clips "
                          "(mos, smos, category)")  # fmt: skip
    ratings, problems = join([files.read(path, design) for path in sheets], known, design)
    left_out = list(problems)
    for name in sorted({rating.rater for rating in ratings}):
        rater = check(name, [rating for rating in ratings if rating.rater == name], design)
        if not rater.kept and not keep_all:
            left_out.append(f"{name}: {rater.why}")
            ratings = [rating for rating in ratings if rating.rater != name]
    rated = [(r.rater, r.systems[0], r.sample, r.value) for r in ratings if r.role == "rated"]
    return _panel(rated, design.question, left_out)


def of_table(path: Path) -> Panel:
    """A CSV file with the columns rater, system, sample and rating; `ratings.csv` of an import is one.

    Raises ReportError that names the line where a row cannot be read.
    """
    reader = csv.DictReader(io.StringIO(_text(path)))
    head = reader.fieldnames or []
    value = next((name for name in RATED if name in head), "")
    lacking = [name for name in COLUMNS if name not in head] + ([] if value else ["rating"])
    if lacking:
        raise ReportError(f"{path}: lacks {', '.join(lacking)}; it needs the columns rater, system, sample, rating")
    rated = []
    for row in reader:
        if row.get("role") not in (None, "rated"):  # anchors and repeats of our own table
            continue
        try:
            number = float(row[value])
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ReportError(f"{path}, line {reader.line_num}: {value} is {row[value]!r}, not a number")
        rated.append((row["rater"], row["system"], row["sample"], number))
    return _panel(rated, "", [])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise ReportError(f"{path}: not readable as UTF-8 ({fault})") from fault


def _panel(rated: Sequence[Rated], question: str, left_out: list[str]) -> Panel:
    """What one rater said of one clip more than once is averaged."""
    if not rated:
        raise ReportError("no usable rating: " + ("; ".join(left_out[:3]) or "the table is empty"))
    raters = sorted({row[0] for row in rated})
    clips = sorted({(row[1], row[2]) for row in rated})
    at = {name: index for index, name in enumerate(raters)}, {clip: index for index, clip in enumerate(clips)}
    total, count = np.zeros((2, len(raters), len(clips)))
    for rater, system, sample, value in rated:
        place = at[0][rater], at[1][system, sample]
        total[place] += value
        count[place] += 1
    ratings = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return Panel(raters, clips, ratings, question, left_out)
