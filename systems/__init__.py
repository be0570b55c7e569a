"""Systems that speak: four of our own, one folder each, and adapters to speech and programs from elsewhere.

`load` turns what a user types into something that speaks; `listing` shows what there is and loads nothing. To add
a system of our own, add a folder with `system.py` (class `System`) and `card.toml` (the fields of `records.Card`, and
`weights`: the checkpoint files it needs).
"""

from __future__ import annotations

import difflib
import importlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttsbench.errors import UserError
from ttsbench.records import Card, Cost, Recorded, System

HERE = Path(__file__).parent
CARDS = HERE / "adapters" / "cards"
ENTRY_POINTS = "ttsbench.systems"
ANCHORS = ("ground-truth", "copy-prompt", "silence")
Kind = Literal["in-repo", "variant", "outside", "by key", "anchor", "entry point"]
SPECS = "a name of `ttsbench list systems`, CARD.toml, recorded:DIR, http:URL, python:FILE.py:CLASS"


@dataclass(frozen=True)
class Listed:
    """A system one can name. `missing`: what has to be installed or set first, or ""; `install`: how, in one line."""

    card: Card
    kind: Kind
    missing: str = ""
    install: str = ""


def listing() -> tuple[Listed, ...]:
    """All systems that have a name here, from card files and package metadata alone."""
    from ttsbench.systems import cards

    found: list[Listed] = []
    for path in _own():
        card, options = cards.read(path / "card.toml")
        found.append(Listed(card, "in-repo", _without_weights(options)))
    for path in sorted(CARDS.glob("*.toml")):
        card_, options = cards.read(path)
        found.append(Listed(card_, _kind(options), _missing(options), str(options.get("install", ""))))
    for name in ANCHORS:
        found.append(Listed(_anchor_card(name), "anchor"))
    for point in _entry_points():
        found.append(Listed(Card(point.name, about=point.value), "entry point"))
    return tuple(found)


def load(spec: str, device: str = "cpu") -> System | Recorded:
    """What `spec` names, ready to speak: models are loaded and programs started before this returns.

    `spec` is a name of `listing`, `path/card.toml`, `recorded:DIR`, `http:URL` (or the URL itself) or
    `python:FILE.py:CLASS`. `device` (cpu, cuda, cuda:1, mps) goes to classes whose constructor takes one. Raises
    UserError with the known names, or with what is wrong with the card.
    """
    name, _, rest = spec.partition(":")
    if spec in ANCHORS:
        from ttsbench.systems.adapters import anchors

        return anchors.load(_anchor_card(spec))
    if spec in _own_names():
        return importlib.import_module(f"ttsbench.systems.{spec}.system").System(device=device)
    if path := card_file(spec):
        return _from_card(path, device)
    if name == "recorded":
        from ttsbench.systems.adapters import recorded

        return recorded.Folder(_plain_card(spec), recorded.Options(folder=Path(rest)))
    if name in ("http", "https"):
        from ttsbench.systems.adapters import http

        return http.from_url(_url(spec))
    if name == "python":
        from ttsbench.systems.adapters import python

        return python.from_file(rest, device=device)
    for point in _entry_points():
        if point.name == spec:
            from ttsbench.systems.adapters import python

            return python.from_entry_point(point, device)
    raise UserError(_unknown(spec))


def card(spec: str) -> Card | None:
    """The card of a system, from its file alone: no model is loaded, no program started.

    None for a Python class, whose card is known when it has been loaded. Raises UserError as `load` does.
    """
    from ttsbench.systems import cards
    from ttsbench.systems.codecs import checkpoints

    name = spec.partition(":")[0]
    if spec in ANCHORS:
        return _anchor_card(spec)
    if path := card_file(spec):
        found, options = cards.read(path)
        own = (
            spec in _own_names() and checkpoints().resolve() != (HERE / "checkpoints").resolve()
        )  # another size of model, perhaps
        return None if own or options.get("adapter") == "python" else found
    if name in ("recorded", "http", "https"):
        return _plain_card(spec)
    if name == "python" or any(point.name == spec for point in _entry_points()):
        return None
    raise UserError(_unknown(spec))


def identity(spec: str) -> dict[str, Any]:
    """What is behind `spec`, as digests: {"code": "...", "weights": {file: "..."}}; "" where there is nothing.

    Code is the Python files of a class and those that it imports beside itself, or a card's settings and the files
    that they name. Recordings have none: each of them is compared by itself.
    """
    from ttsbench.systems import digests

    name, _, rest = spec.partition(":")
    if spec in ANCHORS:
        return {"code": digests.digest([HERE / "adapters" / "anchors.py"]), "weights": {}}
    if path := card_file(spec):
        own = HERE / spec / "system.py"
        code = digests.digest(digests.source_files(own, HERE)) if spec in _own_names() else digests.of_card(path)
        return {"code": code, "weights": digests.of_weights(path)}
    points = [point.value for point in _entry_points() if point.name == spec]
    source = rest if name == "python" else points[0] if points else ""
    return {"code": digests.of_file(source, Path()) if source else "", "weights": {}}


def check(spec: str, device: str = "cpu") -> None:
    """Raise UserError with what to do where `spec` cannot speak here: device, program, server, Python file, weights.

    Loads no model and starts no program.
    """
    from ttsbench.systems import preflight

    preflight.device(device)
    name, _, rest = spec.partition(":")
    if path := card_file(spec):
        preflight.card(path)
    elif name in ("http", "https"):
        preflight.server(_url(spec), spec)
    elif name == "python":
        preflight.python(rest, Path(), spec)
    elif card(spec) is not None and is_recorded(spec) and spec not in ANCHORS:
        load(spec)


def card_file(spec: str) -> Path | None:
    """The card file behind `spec`: of one of our own systems, of a card that ships, or the file itself."""
    if spec in _own_names():
        return HERE / spec / "card.toml"
    if "/" not in spec and (CARDS / f"{spec}.toml").is_file():
        return CARDS / f"{spec}.toml"
    return Path(spec) if spec.endswith(".toml") else None


def with_costs() -> list[str]:
    """Names of our own systems whose full-size cost can be computed."""
    return sorted(path.parent.name for path in HERE.glob("*/cost.py"))


def costs(name: str, seconds: float) -> tuple[list[Cost], int]:
    """What `seconds` of speech cost the full-size model of one of our own systems, and its parameters."""
    if name not in with_costs():
        raise UserError(f"no full-size cost for {name!r}; there is one for: {', '.join(with_costs())}")
    return importlib.import_module(f"ttsbench.systems.{name}.cost").costs(seconds)


def is_recorded(spec: str) -> bool:
    """Whether `spec` names speech that exists already. Loads no model and starts no program."""
    if spec.endswith(".toml") and Path(spec).is_file():
        from ttsbench.systems import cards

        return cards.read(Path(spec))[1].get("adapter") == "recorded"
    return spec.startswith("recorded:") or spec in ("ground-truth", "copy-prompt")


def _own() -> list[Path]:
    return sorted(path.parent for path in HERE.glob("*/system.py"))


def _own_names() -> set[str]:
    return {path.name for path in _own()}


def _url(spec: str) -> str:
    """The address of http:URL, or of a bare URL."""
    rest = spec.partition(":")[2]
    return spec if rest.startswith("//") else rest


def _plain_card(spec: str) -> Card:
    """The card of recorded:DIR or http:URL, of which nothing is known but the address."""
    if spec.startswith("recorded:"):
        return Card(f"recorded-{Path(spec.partition(':')[2]).resolve().name}")
    from ttsbench.systems.adapters import http

    return http.card_of(_url(spec))


def _from_card(path: Path, device: str) -> System | Recorded:
    """The adapter that the card names, imported only now."""
    from ttsbench.systems import cards

    card, options = cards.read(path)
    rate_known = "sample_rate" in cards.given(path)
    for name in ("install", "weights", "packages", "variables"):
        options.pop(name, None)
    adapter = options.pop("adapter", None)
    folder = path.resolve().parent
    if adapter == "command":
        from ttsbench.systems.adapters import command

        return command.Program(card, cards.convert(options, command.Options, path), folder, rate_known)
    if adapter == "json-lines":
        from ttsbench.systems.adapters import lines

        return lines.Speaker(card, cards.convert(options, lines.Options, path), folder, rate_known)
    if adapter == "http":
        from ttsbench.systems.adapters import http, request

        return http.Server(card, cards.convert(options, request.Options, path), rate_known)
    if adapter == "python":
        from ttsbench.systems.adapters import python

        return python.from_card(card, cards.given(path), cards.convert(options, python.Options, path), folder, device)
    if adapter == "recorded":
        from ttsbench.systems.adapters import recorded

        own = cards.convert(options, recorded.Options, path)
        return recorded.Folder(card, recorded.Options(folder / own.folder, own.pattern))
    raise UserError(
        f"{path}: adapter = {adapter!r}; it must be one of 'command', 'json-lines', 'http', 'python', 'recorded'"
    )


def _kind(options: dict[str, Any]) -> Kind:
    """Of a card that ships: a server that wants a key, a program or package, or a variant of our own systems."""
    if options.get("key_variable"):
        return "by key"
    return "outside" if "packages" in options or "argv" in options else "variant"


def _missing(options: dict[str, Any]) -> str:
    """What a card needs and this machine lacks."""
    from ttsbench.systems import preflight
    from ttsbench.systems.adapters import request

    program = (options.get("argv") or [""])[0]
    unset = [name for name in request.variables(options) if not os.environ.get(name)]
    absent = preflight.missing_packages(options)
    if program and "{" not in program and not shutil.which(program):
        absent.append(program)
    parts = [f"not installed: {', '.join(absent)}"] if absent else []
    parts += [f"not set: {', '.join(unset)}"] if unset else []
    return "; ".join(parts)


def _without_weights(options: dict[str, Any]) -> str:
    """Which of the checkpoints that a card lists under `weights` are not here."""
    from ttsbench.systems.codecs import checkpoints

    absent = [name for name in options.get("weights", []) if not (checkpoints() / name).is_file()]
    return f"no checkpoint {', '.join(absent)} in {checkpoints()}: make it with ttsbench train" if absent else ""


def _anchor_card(name: str) -> Card:
    about = {
        "ground-truth": "the test set's own recording of each sentence: the ceiling",
        "copy-prompt": "the prompt itself as output: perfect similarity, no intelligibility",
        "silence": "silence of plausible length: the floor",
    }[name]
    languages = ("en", "zh")
    return Card(name, version="1", languages=languages, zero_shot=True, licence="Apache-2.0", about=about, parameters=0)


def _entry_points() -> list[Any]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)


def _unknown(spec: str) -> str:
    names = [item.card.name for item in listing()]
    close = difflib.get_close_matches(spec, names, n=1)
    return f"no system {spec!r}" + (f"; did you mean {close[0]!r}?" if close else f"; give {SPECS}")
