"""Digests of files: what names audio and weights in caches, cards and receipts."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

BLOCK = 1 << 22
HEAD = 1 << 20


def sha256(path: Path | str) -> str:
    """SHA-256 of a file, 64 hex digits."""
    total = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def file_digest(path: Path | str) -> str:
    """The first 32 hex digits of it: the name of a piece of audio."""
    return sha256(path)[:32]


def cheap_digest(path: Path) -> str:
    """16 hex digits from the size, the first and the last MiB: names a weights file without reading gigabytes."""
    stat = path.stat()
    return _ends(str(path), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _ends(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as handle:
        data = handle.read(HEAD)
        if size > 2 * HEAD:
            handle.seek(-HEAD, 2)
            data += handle.read(HEAD)
    return hashlib.sha256(data + str(size).encode()).hexdigest()[:16]
