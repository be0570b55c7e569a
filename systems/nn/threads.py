"""How many threads a small model gets: a second helps to read, and only waits where single frames are spoken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def at_most_two() -> int:
    """Two threads, or the one that the machine or OMP_NUM_THREADS (which the harness sets for its workers) leaves."""
    return min(2, int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads of this process for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
