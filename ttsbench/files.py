"""A folder that one process writes at a time, and a disk that is full."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from ttsbench.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has none: there nothing keeps two runs from one folder
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


class StoreError(UserError):
    """A run folder that cannot be used as asked; the message says what to do."""


class DiskFull(StoreError):
    """No room for a file. What was kept before is whole, and the same command goes on from there."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.path = str(path)

    def __str__(self) -> str:
        return f"{self.path}: the disk is full; make room and give the same command again, what is done is kept"


def full_disk(fault: BaseException) -> bool:
    """Whether a fault says that there is no room: on the disk, within the user's quota, or for a file so large."""
    return isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Turn an OSError of a full disk into DiskFull."""
    try:
        yield
    except OSError as fault:
        if full_disk(fault):
            raise DiskFull(path) from fault
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that writes `folder`, which is made where it is missing. The end of a process frees it.

    Raises StoreError that says who holds it. The lock is the operating system's, on the file `.lock`; file systems
    and systems without one (Windows) do not guard the folder.
    """
    with room_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError as fault:
        raise StoreError(f"{folder}: cannot be written ({fault.strerror}); give another --out") from fault
    try:
        try:
            flock(handle, wait=False)
        except BlockingIOError as fault:
            who = _holder(handle)
            raise StoreError(f"{folder} is being written by {who}; wait for it, or give another --out") from fault
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        with contextlib.suppress(OSError):  # no room to say who: the lock itself takes none
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now}).encode(), 0)
        yield
    finally:
        os.close(handle)


def empty(folder: Path) -> None:
    """Delete what lies in a locked folder, all but the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def flock(handle: int, wait: bool = True) -> None:
    """Lock an open file for this process; nothing where the file system has no locks."""
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, KeyError, OSError):
        return "another process"
