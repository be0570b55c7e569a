"""Runs as files of other tools, and theirs as runs. One module a format, found by being there.

A module has `ABOUT` (one line) and `write(runs, out) -> files`; with `PROTOCOL`, `recognises`, `read` and
`transcripts` it also makes a run folder of a file of theirs, for `ttsbench score FILE`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ttsbench.errors import UserError, unknown
from ttsbench.records import TestSet

if TYPE_CHECKING:
    from ttsbench.store import Run  # numpy, which the help of the command does not need


class Format(Protocol):
    """What a module of this folder offers."""

    ABOUT: str

    def write(self, runs: Sequence[Run], out: Path) -> list[Path]: ...


class Reader(Protocol):
    """What a module that also reads offers beside; `PROTOCOL` is the one its numbers are made by."""

    PROTOCOL: str

    def recognises(self, file: Path) -> bool: ...

    def read(self, file: Path, out: Path, testset: TestSet | None, name: str) -> Run: ...

    def transcripts(self, run: Run) -> Path: ...


def names() -> list[str]:
    """Names of the formats, for `--to`."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__) if found.name[0] != "_")


def about(name: str) -> str:
    """The one line of a format, read from its file: some import pandas, which a help text should not wait for."""
    tree = ast.parse(Path(__file__).with_name(f"{name.replace('-', '_')}.py").read_text(encoding="utf-8"))
    found = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ABOUT"
    )
    return str(ast.literal_eval(next(found)))


def format_named(name: str) -> Format:
    """The format called `name`; raises UserError with the known names."""
    if name not in names():
        raise UserError(unknown("format", name, names()))
    return cast(Format, importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def reader_of(file: Path) -> Reader | None:
    """The format that a file is a list of results in, None where it is none of these."""
    if not file.is_file():
        return None
    modules = (importlib.import_module(f"{__name__}.{name.replace('-', '_')}") for name in names())
    return next((cast(Reader, each) for each in modules if hasattr(each, "recognises") and each.recognises(file)), None)
