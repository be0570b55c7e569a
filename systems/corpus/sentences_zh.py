"""Plain Mandarin sentences for synthetic training speech, put together from the lists of `mandarin-sentences.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

LISTS = Path(__file__).with_name("mandarin-sentences.txt")


def generated_zh(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different sentences of 6 to 40 characters; no word twice in one."""
    lines = [line for line in LISTS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    shapes = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    words = {kind: said.split() for kind, _, said in (line.partition(": ") for line in lines if line[0] != "-")}
    found: dict[str, None] = {}
    while len(found) < count:
        used: list[str] = []

        def fill(match: re.Match[str], used: list[str] = used) -> str:
            free = [word for word in words[match[1]] if word not in used]
            used.append(free[int(rng.integers(len(free)))])
            return used[-1]

        said = re.sub(r"\{(\w+)\}", fill, shapes[int(rng.integers(len(shapes)))])
        found[said] = None
    return list(found)
