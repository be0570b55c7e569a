"""Cards of systems in small TOML files, so that listing them loads no system.

A card file holds the fields of `ttsbench.records.Card`. One that describes an outside program also says
`adapter = "..."` and gives that adapter's own fields (see `ttsbench.systems.adapters`).
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ttsbench.errors import UserError
from ttsbench.records import Card

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARD_FIELDS = tuple(item.name for item in fields(Card))
Options = TypeVar("Options")


def read(path: Path) -> tuple[Card, dict[str, Any]]:
    """The card and whatever else the file says. Raises ValueError that names the file, the line and the fault."""
    table = _table(path)
    table.setdefault("name", path.stem if path.stem != "card" else path.parent.name)
    own = {name: value for name, value in table.items() if name in CARD_FIELDS}
    return convert(own, Card, path), {name: value for name, value in table.items() if name not in CARD_FIELDS}


def given(path: Path) -> list[str]:
    """The card fields that the file itself gives."""
    return [name for name in _table(path) if name in CARD_FIELDS]


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"{path}: cannot read the card ({fault.strerror})") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: not a TOML file: {fault}") from fault


def convert(table: dict[str, Any], kind: type[Options], path: Path) -> Options:
    """`table` as the dataclass `kind`; a field it does not have, lacks, or of a wrong type is a ValueError."""
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known fields: {', '.join(known)}"
            raise UserError(f"{path}: unknown field {name!r}{hint}")
    try:
        return msgspec.convert(table, kind, dec_hook=lambda wanted, value: wanted(value))  # str to Path
    except msgspec.ValidationError as fault:
        raise UserError(f"{path}: {fault}") from fault
