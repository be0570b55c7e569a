"""What a server on this machine does, for the tests of downloads; the fixture `server` runs it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from ttsbench.download import Source

CONTENT = bytes(np.random.default_rng(7).integers(0, 256, 400_000, np.uint8))
HALF = 150_000


@dataclass
class Server:
    """What the server at `url` does: `faults` are met by the first requests, in order; then it serves `files`."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range

    def source(self, name: str, **known: object) -> Source:
        facts = {"size": len(CONTENT), "digests": {"md5": hashlib.md5(CONTENT).hexdigest()}} | known
        return Source(f"{self.url}/{name}", **facts)  # type: ignore[arg-type]
