"""Transcripts made elsewhere, for `score --transcripts FILE`; in JSON Lines also values of metrics, by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ttsbench.errors import UserError


def read_transcripts(file: Path, ids: Sequence[str]) -> dict[str, str]:
    """Text by id. TSV: id, tab, text, with or without a first line that names the two; JSON Lines: objects with both.

    An empty text is one that was recognised as nothing. Raises UserError for an unreadable file, a broken line, an id
    that stands twice, and where no id is one of `ids`.
    """
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except OSError as fault:
        raise UserError(
            f"--transcripts {file}: cannot be read ({fault.strerror}); give a file of ids and texts"
        ) from fault
    except UnicodeDecodeError as fault:
        raise UserError(f"{file}: not readable as UTF-8 text ({fault})") from fault
    texts: dict[str, str] = {}
    for number, name, text in _rows(file, lines):
        if name in texts:
            raise UserError(f"{file}, line {number}: id {name!r} stands twice: keep one of the two lines")
        texts[name] = text
    if not set(texts) & set(ids):
        example = next(iter(texts), "(none)")
        raise UserError(f"{file}: none of its ids is in the run (the file has {example!r}, the run {ids[0]!r})")
    return texts


def read_values(file: Path) -> dict[str, dict[str, float]]:
    """Metric -> id -> value: the numbers that a JSON Lines file of transcripts holds beside id and text."""
    values: dict[str, dict[str, float]] = {}
    if file.suffix not in (".jsonl", ".json"):
        return values
    for line in filter(str.strip, file.read_text("utf-8-sig").split("\n")):
        row = json.loads(line)
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values.setdefault(name, {})[row["id"]] = float(value)
    return values


def _rows(file: Path, lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Line number, id, text."""
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if file.suffix in (".jsonl", ".json"):
            yield number, *_object(file, number, line)
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise UserError(f"{file}, line {number}: {line[:60]!r} has no tab: write id, tab, text")
        if (number, name, text) != (1, "id", "text"):
            yield number, name, text


def _object(file: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        name, text = row["id"], row["text"]
    except (ValueError, KeyError, TypeError) as fault:
        raise UserError(f'{file}, line {number}: not {{"id": ..., "text": ...}} ({fault!r})') from fault
    if not isinstance(name, str) or not isinstance(text, str):
        raise UserError(f"{file}, line {number}: id and text must be strings, not {name!r} and {text!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in name + text):
        raise UserError(f"{file}, line {number}: half a character (a lone surrogate) in {text!r}: write whole ones")
    return name, text
