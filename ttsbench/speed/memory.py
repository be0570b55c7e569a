"""The most memory that a process and its children have held."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil

try:
    import resource
except ImportError:  # Windows has none; its own peak is asked of psutil
    resource = None  # type: ignore[assignment]


def host_bytes() -> int:
    """This process's peak, and that of its largest child. Linux hands getrusage's own figure down from parent to child,
    so there the kernel's status file is asked; on Windows the children's is unknown."""
    if resource is None:
        found = psutil.Process().memory_info()
        return int(getattr(found, "peak_wset", found.rss))
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        own = int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024
    return own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
