"""Lists with named columns (TSV, CSV, JSON Lines, JSON): sentences by category, and any table of utterances."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ttsbench.records import Sample, Task
from ttsbench.testsets.faults import Draft, read_lines

FIELDS = ("id", "text", "language", "task", "prompt", "prompt_text", "truth", "speaker", "category", "prompt_seconds")
Record = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Columns:
    """How a table is read. `names`: sample field -> column, where the two differ. `only`: column -> wanted value.

    `language` and `task` hold for rows whose table has no such column. With `numbered`, rows without an id are
    numbered within their category.
    """

    names: dict[str, str] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    task: str = "zero-shot"
    numbered: bool = False


def table(draft: Draft, file: Path, columns: Columns) -> None:
    """Rows of a table whose columns are named after the fields of a Sample; audio paths are relative to the list.

    A column `utt` is taken for `id` where there is no `id`.
    """
    records = read_records(draft, file)
    if not records:
        return
    present = list(dict.fromkeys(name for _, record in records for name in record))
    names = {name: columns.names.get(name, name) for name in FIELDS}
    if names["id"] not in present and "utt" in present:
        names["id"] = "utt"
    wanted = {names["text"], *columns.names.values(), *columns.only, *(["category"] if columns.numbered else [])}
    if not columns.numbered:
        wanted.add(names["id"])
    for column in sorted(wanted - set(present)):
        remedy = f"the columns are {', '.join(present) or '(none)'}; give e.g. text=<column>"
        draft.fault(file, 0, column, "the table has no such column", remedy)
    if wanted - set(present):
        return
    counts: dict[str, int] = {}
    for number, record in records:
        if any(record.get(column, "") != value for column, value in columns.only.items()):
            continue
        cells = {name: record.get(column, "").strip() for name, column in names.items()}
        if columns.numbered and not cells["category"]:
            draft.fault(file, number, cells["text"], "no category", "name the category of every sentence")
            continue
        if columns.numbered and not cells["id"]:
            slug = re.sub(r"\W+", "-", cells["category"].lower()).strip("-")
            counts[slug] = counts.get(slug, 0) + 1
            cells["id"] = f"{slug}-{counts[slug]:02d}"
        _add(draft, file, number, cells, columns)


def read_records(draft: Draft, file: Path) -> list[Record]:
    """Numbered rows of text cells. TSV: first line names the columns, no quoting. CSV: quoted as usual.
    JSON Lines: an object a line. JSON: a list of objects, or an object whose `items` is one."""
    lines = read_lines(file, draft)
    if not lines:
        return []
    if file.suffix == ".jsonl":
        return [(number, row) for number, line in lines for row in _objects(draft, file, number, line)]
    if file.suffix == ".json":
        rows = _objects(draft, file, lines[0][0], "\n".join(line for _, line in lines))
        return list(enumerate(rows, 1))
    if file.suffix == ".csv":
        return _csv_records(draft, file)
    header = [name.strip() for name in lines[0][1].split("\t")]
    records = []
    for number, line in lines[1:]:
        cells = line.split("\t")
        if len(cells) != len(header):
            remedy = f"the header names {len(header)} columns"
            draft.fault(file, number, line, f"{len(cells)} fields", remedy)
            continue
        records.append((number, dict(zip(header, cells, strict=True))))
    return records


def _csv_records(draft: Draft, file: Path) -> list[Record]:
    """As `read_records`; a quoted cell may hold line breaks. The line is that of the row's end."""
    # a bad byte was told by read_lines already
    reader = csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig", "replace"), newline=""))
    records: list[Record] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not header:
                header = [name.strip() for name in cells]
            elif cells and len(cells) != len(header):
                remedy = f"the header names {len(header)} columns"
                draft.fault(file, reader.line_num, ",".join(cells), f"{len(cells)} fields", remedy)
            elif cells:
                records.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as fault:
        draft.fault(file, reader.line_num, file.name, f"not CSV ({fault})", "check the quotes of this row")
    return records


def _objects(draft: Draft, file: Path, line: int, content: str) -> list[dict[str, str]]:
    """One JSON object, a list of them, or an object with `items`; other values than text are printed."""
    try:
        value = json.loads(content)
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            value = value["items"]
        rows = value if isinstance(value, list) else [value]
        if all(isinstance(row, dict) for row in rows):
            return [{str(key): _text(cell) for key, cell in row.items()} for row in rows]
        reason = "objects are wanted"
    except (ValueError, RecursionError) as fault:
        reason = str(fault)
    draft.fault(file, line, content, f"not JSON rows ({reason})", "write one object a line, or a list of objects")
    return []


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)


def _add(draft: Draft, file: Path, number: int, cells: dict[str, str], columns: Columns) -> None:
    try:
        prompt_seconds = float(cells["prompt_seconds"] or 0)
    except ValueError:
        prompt_seconds = -1.0
    if not 0 <= prompt_seconds < float("inf"):
        draft.fault(file, number, cells["prompt_seconds"], "not a length in seconds", "give e.g. 3.0")
        return
    sample = Sample(
        id=cells["id"],
        text=cells["text"],
        language=cells["language"] or columns.language,
        task=cast("Task", cells["task"] or columns.task),
        prompt=file.parent / cells["prompt"] if cells["prompt"] else None,
        prompt_text=cells["prompt_text"],
        truth=file.parent / cells["truth"] if cells["truth"] else None,
        speaker=cells["speaker"],
        category=cells["category"],
        prompt_seconds=prompt_seconds,
    )
    draft.add(file, number, sample)
