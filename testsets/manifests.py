"""Manifests: lists with named columns (CSV, TSV, JSON Lines, JSON), whatever the columns are called."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import cast

from ttsbench.names import composed, id_problem
from ttsbench.records import Sample, Task
from ttsbench.testsets.faults import Draft, read_bytes, read_lines

FIELDS = ("id", "text", "language", "task", "prompt", "prompt_text", "truth", "speaker", "category", "prompt_seconds")
OUTPUT = "audio"  # the column with what a system has said; `ttsbench score` alone reads it
USUAL = {  # what a column that is missing is often called
    "text": ("sentence", "transcript", "transcription", "target_text", "normalized_text", "text_normalized"),
    "audio": ("audio_filepath", "audio_path", "wav", "path", "file", "audio_file", "wav_path"),
}
Record = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Columns:
    """How a manifest is read. `names`: sample field -> column, where the two differ. `only`: column -> wanted value.

    `language` and `task` are columns, or hold for all rows where there is no such column. With `numbered`, rows without
    an id are numbered within their category.
    """

    names: dict[str, str] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    task: str = "zero-shot"
    numbered: bool = False


def manifest(draft: Draft, file: Path, columns: Columns) -> None:
    """Rows of a manifest; audio paths are relative to it or absolute. Ids: column `id` or `utt`, else see `_ids`."""
    records = read_records(draft, file)
    if not records:
        return
    present = _present(records)
    names = _names(columns, present)
    wanted = {names["text"]: "text"} | dict.fromkeys(columns.only, "only")
    wanted |= {column: name for name, column in columns.names.items() if name != OUTPUT}
    wanted |= {"category": "category"} if columns.numbered else {}
    if _missing(draft, file, wanted, present):
        return
    counts: dict[str, int] = {}
    ids = _ids(file, records, names) if not columns.numbered else []
    for index, (number, record) in enumerate(records):
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
        elif names["id"] not in present:
            cells["id"] = ids[index]
        _add(draft, file, number, cells, columns)


def outputs(draft: Draft, file: Path, names: dict[str, str]) -> dict[str, Path]:
    """What a system has said: id -> file, from the column `audio` or that which `names` calls so.

    Ids are those that `manifest` gives the same rows. A file that is not there is left to the row that needs it.
    """
    records = read_records(draft, file)
    present = _present(records)
    own = _names(Columns(names), present)
    wanted = {own[OUTPUT]: OUTPUT} | ({own["id"]: "id"} if "id" in names else {})
    if not records or _missing(draft, file, wanted, present):
        return {}
    ids = _ids(file, records, own) if own["id"] not in present else [row[own["id"]].strip() for _, row in records]
    found: dict[str, Path] = {}
    lines: dict[str, int] = {}
    for name, (number, record) in zip(map(composed, ids), records, strict=True):
        cell = record.get(own[OUTPUT], "").strip()
        if name in lines:
            problem = f"the id stands there already (line {lines[name]})"
            draft.fault(file, number, name, problem, "give every row an id of its own")
        elif id_problem(name):
            draft.fault(file, number, name, f"the id {id_problem(name)}", "an id is a plain file name without folders")
        elif "://" in cell:
            draft.fault(file, number, cell, "an address, not a file", "download it and name the file")
        elif cell:
            found[name] = _path(file, cell)
        lines.setdefault(name, number)
    return found


def _present(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for _, record in records for name in record))


def _names(columns: Columns, present: Sequence[str]) -> dict[str, str]:
    """Field -> column. A column `utt` is taken for `id` where there is no `id`."""
    names = {name: columns.names.get(name, name) for name in (*FIELDS, OUTPUT)}
    if "id" not in columns.names and "id" not in present and "utt" in present:
        names["id"] = "utt"
    for name, value in (("language", columns.language), ("task", columns.task)):
        if value in present:
            names[name] = value
    return names


def _missing(draft: Draft, file: Path, wanted: dict[str, str], present: Sequence[str]) -> bool:
    """Faults for the columns that are not there, each with those that are; whether there are any."""
    for column, name in sorted(wanted.items()):
        if column in present:
            continue
        usual = [each for each in USUAL.get(name, ()) if each in present]
        close = difflib.get_close_matches(column, present, n=1) or usual[:1]
        mean = f"did you mean {close[0]!r}?" if close else "name it"
        remedy = f"the columns are {', '.join(present) or '(none)'}; {mean}"
        if name in (*FIELDS, OUTPUT):
            remedy += f" Give {name}={close[0] if close else 'COLUMN'} in the spec, or --map {name}=..."
        draft.fault(file, 0, column, "the manifest has no such column", remedy)
    return any(column not in present for column in wanted)


def _ids(file: Path, records: Sequence[Record], names: dict[str, str]) -> list[str]:
    """Ids for rows without: the name of the row's own audio file; with its folders where names stand twice; else the
    row's number."""
    for column in (names[OUTPUT], names["truth"]):
        paths = [PurePosixPath(record.get(column, "").strip()) for _, record in records]
        if not all(path.name for path in paths):
            continue
        stems = [path.stem for path in paths]
        if len(set(stems)) == len(stems):
            return stems
        own = [path.relative_to(file.parent) if path.is_relative_to(file.parent) else path for path in paths]
        return ["-".join(part for part in path.with_suffix("").parts if part not in ("/", "..")) for path in own]
    return [f"row-{index:04d}" for index in range(1, len(records) + 1)]


def read_records(draft: Draft, file: Path) -> list[Record]:
    """Numbered rows of text cells. TSV: first line names the columns, no quoting. CSV: quoted as usual, the columns
    between commas, semicolons, tabs or bars, as in its first line. JSON Lines: an object a line. JSON: a list of
    objects, or an object whose `items` is one. An ending that says nothing: as the first line looks."""
    lines = read_lines(file, draft)
    if not lines:
        return []
    ending, first = file.suffix.lower(), lines[0][1]
    begins = first.lstrip()[:1] if ending not in (".csv", ".tsv") else ""
    if ending in (".jsonl", ".ndjson") or (begins == "{" and len(lines) > 1 and _is_object(first)):
        return [(number, row) for number, line in lines for row in _objects(draft, file, number, line)]
    if ending == ".json" or begins in ("{", "["):
        rows = _objects(draft, file, lines[0][0], "\n".join(line for _, line in lines))
        return list(enumerate(rows, 1))
    if ending == ".csv" or (ending != ".tsv" and "\t" not in first):
        return _csv_records(draft, file, first)
    header = [name.strip() for name in first.split("\t")]
    records = []
    for number, line in lines[1:]:
        cells = line.split("\t")
        if len(cells) != len(header):
            remedy = f"the header names {len(header)} columns"
            draft.fault(file, number, line, f"{len(cells)} fields", remedy)
            continue
        records.append((number, dict(zip(header, map(_unquoted, cells), strict=True))))
    return records


def _unquoted(cell: str) -> str:
    """A cell of a TSV; one in quotes with doubled quotes inside was written by a spreadsheet program."""
    inner = cell.strip()[1:-1]
    quoted = cell.strip().startswith('"') and cell.strip().endswith('"') and '""' in inner
    return inner.replace('""', '"') if quoted and '"' not in inner.replace('""', "") else cell


def _csv_records(draft: Draft, file: Path, first: str) -> list[Record]:
    """As `read_records`; a quoted cell may hold line breaks. The line is that of the row's end."""
    bare = re.sub(r'"[^"]*"', "", first)
    between = max(",;\t|", key=bare.count)  # the first of them where none stands there
    # a bad byte was told by read_lines already
    content = read_bytes(file, Draft()).decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=between)
    records: list[Record] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not header:
                header = [name.strip() for name in cells]
            elif not any(cell.strip() for cell in cells):
                continue  # a spreadsheet's empty row
            elif len(cells) != len(header):
                remedy = f"the header names {len(header)} columns, with {between!r} between them"
                draft.fault(file, reader.line_num, between.join(cells), f"{len(cells)} fields", remedy)
            else:
                records.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as fault:
        draft.fault(file, reader.line_num, file.name, f"not CSV ({fault})", "check the quotes of this row")
    return records


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _objects(draft: Draft, file: Path, line: int, content: str) -> list[dict[str, str]]:
    """One JSON object, a list of them, or an object with `items`. Other values than text are printed; those of an
    object within are named with dots (`audio.path`)."""
    try:
        value = json.loads(content)
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            value = value["items"]
        rows = value if isinstance(value, list) else [value]
        if all(isinstance(row, dict) for row in rows):
            return [_flat(row) for row in rows]
        reason = "objects are wanted"
    except (ValueError, RecursionError) as fault:
        reason = str(fault)
    draft.fault(file, line, content, f"not JSON rows ({reason})", "write one object a line, or a list of objects")
    return []


def _flat(row: dict[str, object], before: str = "") -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, cell in row.items():
        if isinstance(cell, dict):
            cells |= _flat(cell, f"{before}{key}.")
        else:
            cells[before + key] = cell if isinstance(cell, str) else "" if cell is None or cell != cell else str(cell)
    return cells


def _path(file: Path, cell: str) -> Path:
    return file.parent / (Path(cell).expanduser() if cell.startswith("~/") else Path(cell))


def _add(draft: Draft, file: Path, number: int, cells: dict[str, str], columns: Columns) -> None:
    try:
        prompt_seconds = float(cells["prompt_seconds"] or 0)
    except ValueError:
        prompt_seconds = -1.0
    if not 0 <= prompt_seconds < float("inf"):
        draft.fault(file, number, cells["prompt_seconds"], "not a length in seconds", "give e.g. 3.0")
        return
    for name in ("prompt", "truth"):
        if "://" in cells[name]:
            draft.fault(file, number, cells[name], "an address, not a file", "download it and name the file")
            return
    sample = Sample(
        id=cells["id"],
        text=cells["text"],
        language=cells["language"] or columns.language,
        task=cast("Task", cells["task"] or columns.task),
        prompt=_path(file, cells["prompt"]) if cells["prompt"] else None,
        prompt_text=cells["prompt_text"],
        truth=_path(file, cells["truth"]) if cells["truth"] else None,
        speaker=cells["speaker"],
        category=cells["category"],
        prompt_seconds=prompt_seconds,
    )
    draft.add(file, number, sample)
