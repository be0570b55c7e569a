"""Named, versioned protocols: one file each. `MAKERS` maps a name to the function that puts it together."""

from __future__ import annotations

from collections.abc import Callable

from ttsbench.metrics.profiles import embedded
from ttsbench.records import Protocol

MAKERS: dict[str, Callable[[], Protocol]] = {
    "embedded": embedded.make,
}
