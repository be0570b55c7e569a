"""A class in a Python file, or one that an installed package offers in the entry point group `ttsbench.systems`."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.records import Card, Recorded, System


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "python"`. `source`: FILE.py:CLASS, relative to the card."""

    source: str


def from_file(source: str, folder: Path | None = None) -> System | Recorded:
    """An object of the class that `path/file.py:Class` names; modules beside the file can be imported from it."""
    path_, mark, name = source.rpartition(":")
    path = (folder or Path()) / path_
    if not mark or path.suffix != ".py" or not name.isidentifier():
        raise ValueError(f"python:{source}: give FILE.py:CLASS")
    if not path.is_file():
        raise ValueError(f"{path}: no such Python file")
    specification = importlib.util.spec_from_file_location(f"ttsbench_outside_{path.stem}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    if str(path.resolve().parent) not in sys.path:
        sys.path.append(str(path.resolve().parent))
    specification.loader.exec_module(module)
    if not hasattr(module, name):
        raise ValueError(f"{path}: has no class {name!r}")
    return checked(getattr(module, name)(), f"{path}:{name}")


def from_entry_point(point: Any) -> System | Recorded:
    """An object of the class that an installed package offers."""
    return checked(point.load()(), f"{point.name} = {point.value}")


def checked(found: Any, where: str) -> System | Recorded:
    """`found` if it can speak. Raises ValueError that says which member is missing."""
    if not isinstance(getattr(found, "card", None), Card):
        raise ValueError(f"{where}: needs a member `card`, a ttsbench.records.Card")
    if not callable(getattr(found, "synthesize", None)) and not callable(getattr(found, "recording", None)):
        raise ValueError(f"{where}: needs a method `synthesize(sample, seed)` that yields chunks")
    return found
