"""What a system is made of, as digests: a run that is resumed must have the same code and the same weights."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ttsbench import digests
from ttsbench.digests import sha256
from ttsbench.systems import cards
from ttsbench.systems.codecs import checkpoints

HERE = Path(__file__).parent
ROOT = Path(digests.__file__).parent.parent
FOLLOWED = ("ttsbench.systems.", "ttsbench.audio")  # of our own modules, those that change what is spoken


def of_file(source: str, folder: Path) -> str:
    """Digest of the code behind FILE.py:CLASS (relative to `folder`) or MODULE:CLASS, and of what it imports there."""
    place = source.rpartition(":")[0]
    if place.endswith(".py"):
        start = folder / place
        return digest(source_files(start, start.resolve().parent))
    found = importlib.util.find_spec(place.partition(".")[0])  # the top package is found, not imported
    if found is None or not found.origin:
        return ""
    top = Path(found.origin).resolve()
    root = top.parent.parent if top.name == "__init__.py" else top.parent
    start = _file(place, ROOT if place.startswith(FOLLOWED) else root) or top
    return digest(source_files(start, root))


def of_card(path: Path) -> str:
    """Digest of what a card file says beyond the card's own fields, and of the files that it names."""
    _, options = cards.read(path)
    weights, _ = options.pop("weights", []), options.pop("install", None)
    versions = {name: _version(name) for name in options.pop("packages", [])}
    folder = path.resolve().parent
    argv = [part.replace("{here}", str(folder)) for part in options.get("argv", []) if isinstance(part, str)]
    named = [folder / part for part in argv if (folder / part).is_file()]
    source = of_file(options["source"], folder) if isinstance(options.get("source"), str) else ""
    said = json.dumps([options, weights, source, *([versions] if versions else [])], sort_keys=True, default=str)
    return hashlib.sha256(said.encode() + digest(named).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def of_weights(path: Path) -> dict[str, str]:
    """Digest of each file that a card lists under `weights`, by name; "missing" where it is not there."""
    named = cards.read(path)[1].get("weights", [])
    return {name: digest([file]) if (file := weights_file(name, path)).is_file() else "missing" for name in named}


def weights_file(name: str, card: Path) -> Path:
    """Where a file of the card's `weights` lies: beside the card, or among the checkpoints."""
    beside = card.resolve().parent / name
    return beside if beside.is_file() else checkpoints() / name


def digest(files: Iterable[Path]) -> str:
    """16 hex digits over the files' names and bytes, wherever they lie; "" for none."""
    found = sorted(f"{path.name} {sha256(path)}" for path in {path.resolve() for path in files})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""


def source_files(start: Path, root: Path) -> set[Path]:
    """`start` and every module that it imports, at any depth, from below `root` or from our own systems."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for name in _imports(path):
            ours = name == "ttsbench" or name.startswith("ttsbench.")
            if not ours or name.startswith(FOLLOWED):
                next_ = _file(name, ROOT if ours else root)
                waiting += [next_] if next_ else []
    return found


def _imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports; relative ones as if its folder's package were at the root."""
    try:
        tree: Any = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            front = "." * node.level + (node.module or "")
            if node.level:
                base = path.resolve().parents[node.level - 1]
                inside = (node.module or "").replace(".", "/")
                front = str(base / inside)
            yield front
            yield from (f"{front}{'/' if node.level else '.'}{alias.name}" for alias in node.names)


def _file(name: str, root: Path) -> Path | None:
    """The file of module `name` (dotted below `root`, or the absolute path of a relative import), if there is one."""
    inside = name.removeprefix("ttsbench.systems.")
    if root == ROOT and inside != name:
        root, name = HERE, inside  # which lies beside the package in a checkout without links
    base = Path(name) if name.startswith("/") else root / name.replace(".", "/")
    candidates = (base.with_name(base.name + ".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)
