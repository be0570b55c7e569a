"""A class in a Python file or module, or one that a package offers in the entry point group `ttsbench.systems`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ttsbench.errors import UserError
from ttsbench.records import Card, Recorded, System


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "python"`.

    `source`: FILE.py:CLASS, relative to the card, or MODULE:CLASS. `arguments`: keywords for the class.
    """

    source: str
    arguments: dict[str, Any] = field(default_factory=dict)


def from_file(
    source: str, folder: Path | None = None, arguments: dict[str, Any] | None = None, device: str = "cpu"
) -> System | Recorded:
    """An object of the class that FILE.py:CLASS or MODULE:CLASS names; a file may import what lies beside it."""
    place, mark, name = source.rpartition(":")
    if not mark or not name.isidentifier():
        raise UserError(f"python:{source}: give FILE.py:CLASS or MODULE:CLASS")
    if place.endswith(".py"):
        module = _from_path((folder or Path()) / place)
    elif all(part.isidentifier() for part in place.split(".")):
        module = importlib.import_module(place)
    else:
        raise UserError(f"python:{source}: give FILE.py:CLASS or MODULE:CLASS")
    if not hasattr(module, name):
        raise UserError(f"{place}: has no class {name!r}")
    return checked(_made(getattr(module, name), arguments or {}, device), source)


def from_card(card: Card, given: list[str], options: Options, folder: Path, device: str = "cpu") -> System | Recorded:
    """The class of a card file; fields that the file gives (`given`) replace those of the class's own card."""
    found: Any = from_file(options.source, folder, options.arguments, device)
    found.card = replace(found.card, **{name: getattr(card, name) for name in given})
    return found


def from_entry_point(point: Any, device: str = "cpu") -> System | Recorded:
    """An object of the class that an installed package offers."""
    return checked(_made(point.load(), {}, device), f"{point.name} = {point.value}")


def _made(maker: Callable[..., Any], arguments: dict[str, Any], device: str) -> Any:
    """`maker(**arguments)`; `device` goes with them where the maker takes one."""
    try:
        takes = "device" in inspect.signature(maker).parameters
    except (TypeError, ValueError):  # a class without a signature
        takes = False
    return maker(**({"device": device, **arguments} if takes else arguments))


def _from_path(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"{path}: no such Python file")
    specification = importlib.util.spec_from_file_location(f"ttsbench_outside_{path.stem}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    if str(path.resolve().parent) not in sys.path:
        sys.path.append(str(path.resolve().parent))
    specification.loader.exec_module(module)
    return module


def checked(found: Any, where: str) -> System | Recorded:
    """`found` if it can speak. Raises ValueError that says which member is missing."""
    if not isinstance(getattr(found, "card", None), Card):
        raise UserError(f"{where}: needs a member `card`, a ttsbench.records.Card")
    if not callable(getattr(found, "synthesize", None)) and not callable(getattr(found, "recording", None)):
        raise UserError(f"{where}: needs a method `synthesize(sample, seed)` that yields chunks")
    return found
