"""What test sets there are: embedded ones and those of other packages, which need nothing, and layouts of your lists.

An embedded set is one folder here with `set.json`, a list and its audio. Another package adds such a folder by an entry
point of group `ttsbench.testsets`, whose value names the folder as a package (`my_package.my_set`).
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ttsbench.testsets.faults import Fault, TestSetError
from ttsbench.testsets.layouts import LAYOUTS
from ttsbench.testsets.published import PARTS, PUBLISHED, here, root

SHIPPED = Path(__file__).parent / "embedded"
GROUP = "ttsbench.testsets"


@dataclass(frozen=True)
class SetCard:
    """What a set's `set.json` says: `layout`, `file` (key `list`) and `options` are how it is read."""

    rows: int
    seconds: float
    languages: tuple[str, ...]
    licence: str
    about: str
    layout: str = "manifest"
    file: str = "list.tsv"
    options: tuple[tuple[str, str], ...] = ()


def folders() -> dict[str, Path]:
    """Folders of the sets that need no list of yours, by name: the embedded ones first."""
    own = {path.parent.name: path.parent for path in sorted(SHIPPED.glob("*/set.json"))}
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return own | {point.name: _package_folder(point.value) for point in points if point.name not in own}


def _package_folder(package: str) -> Path:
    """The folder of a package, which is not run: it holds data."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else Path(package)


def card_of(folder: Path) -> SetCard:
    """The card of a set's folder; raises TestSetError for one that cannot be used."""
    file = folder / "set.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        card = SetCard(
            rows=facts["rows"],
            seconds=facts["seconds"],
            languages=tuple(facts["languages"]),
            licence=facts["licence"],
            about=facts["about"],
            layout=facts.get("layout", "manifest"),
            file=facts.get("list", "list.tsv"),
            options=tuple(facts.get("options", {}).items()),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        remedy = "a set's folder has a set.json with rows, seconds, languages, licence and about"
        raise TestSetError([Fault(str(file), 0, repr(fault), "no card of a test set", remedy)]) from fault
    if card.layout not in LAYOUTS:
        remedy = f"the layouts are {', '.join(LAYOUTS)}"
        raise TestSetError([Fault(str(file), 0, card.layout, "no such layout", remedy)])
    return card


def listing() -> list[dict[str, Any]]:
    """All test sets and layouts, ready to print; rows and seconds are "" where your files decide.

    `kind`: "ready" (needs nothing), "published" (`here` says where it lies, `get` how it is had) or "layout".
    """
    rows = []
    for name, folder in folders().items():
        card = card_of(folder)
        where = "embedded" if folder.parent == SHIPPED else str(folder)
        facts = _row("ready", name, card.rows, card.seconds, card.languages, card.licence, where, name, card.about)
        rows.append(facts)
    for name, wanted in PUBLISHED.items():
        get = {"here": here(name), "get": wanted.get.format(root())}
        if name in LAYOUTS:
            rows.append(_row_of(name, "published") | get)
        else:
            part = PARTS[wanted.parts[0]] if wanted.parts else None
            licence, where = (part.licence, part.url) if part else (wanted.licence, wanted.source)
            rows_of = None if part else wanted.count
            facts = _row("published", name, rows_of, None, wanted.languages, licence, where, name, wanted.about)
            rows.append(facts | get)
    return rows + [_row_of(name, "layout") for name in LAYOUTS if name not in PUBLISHED]


def _row_of(name: str, kind: str) -> dict[str, Any]:
    own = LAYOUTS[name]
    return _row(kind, name, own.rows, own.seconds, own.languages, own.licence, own.where, own.spec, own.about)


def _row(
    kind: str,
    name: str,
    rows: int | None,
    seconds: float | None,
    languages: tuple[str, ...],
    licence: str,
    where: str,
    spec: str,
    about: str,
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "rows": "" if rows is None else rows,
        "seconds": "" if seconds is None else round(seconds),
        "languages": " ".join(languages),
        "licence": licence,
        "where": where,
        "spec": spec,
        "about": about,
    }
