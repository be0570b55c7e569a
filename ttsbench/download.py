"""One published file from an address: resumed where it stopped, checked against what was published, put in place whole.

What has come lies in `<name>.part` beside the target, and the next attempt asks the server for the rest only (HTTP
Range). Nothing stands under the target's own name before its size and digests are those that were published.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ttsbench.digests import BLOCK
from ttsbench.errors import UserError
from ttsbench.files import flock, room_for

TRIES = 5  # in a row without a single new byte
PATIENCE = 60.0  # seconds without a byte after which the connection is given up and taken up again
PAUSE = 1.0  # seconds before the second try; twice as long before each further one
PASSING = (408, 429, 500, 502, 503, 504)  # HTTP statuses that another try may find gone
ELSEWHERE = "let TTSBENCH_DATA (data) or TTSBENCH_WEIGHTS (models) name another folder"
Note = Callable[[int, int], None]  # bytes here, bytes in all (0: not known)


class DownloadError(UserError):
    """A file that could not be had, or is not the published one; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A published file. `size` in bytes, 0 for unknown; `digests`: "md5" or "sha256" -> hex digits as published.

    `mirrors` are tried in order where `url` fails.
    """

    url: str
    size: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()


class _Passing(Exception):
    """A failure that another try may not meet."""


class _Final(Exception):
    """A failure that this address will give again."""


class _Unreachable(_Passing):
    """No connection: not waited for where none was ever made, as where there is no network."""


def download(
    source: Source, target: Path, note: Note = lambda done, total: None, patience: float = PATIENCE, beside: int = 0
) -> None:
    """Have `source` at `target`; nothing is done where it is there already and is the published file.

    `beside`: bytes that must be free besides, for what comes after. Raises DownloadError: no room, no answer, an
    address that is gone, another file than the published one (kept aside as `<name>.refused`).
    """
    if target.is_file():
        check(target, source)
        return
    part = target.with_name(target.name + ".part")
    with room_for(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (PermissionError, FileExistsError, NotADirectoryError) as fault:
            raise DownloadError(f"{target.parent} cannot be made ({fault.strerror}); {ELSEWHERE}") from fault
        with part.open("ab") as sink:
            try:
                flock(sink.fileno(), wait=False)
            except BlockingIOError as fault:
                raise DownloadError(f"{part} is being written by another process; wait for it") from fault
            if not (source.size or source.digests):
                _empty(sink)  # without a check afterwards, two halves might be of two files
            free(target.parent, max(0, source.size - sink.tell()) + beside)
            _fill(source, sink, target, note, patience)
    check(part, source, target)
    os.replace(part, target)


def check(path: Path, source: Source, target: Path | None = None) -> None:
    """Raise DownloadError, and put `path` aside, where it is not the published file."""
    wrong = []
    if source.size and path.stat().st_size != source.size:
        wrong.append(f"{path.stat().st_size:,} bytes, published are {source.size:,}")
    for name, wanted in source.digests.items() if not wrong else ():
        found = digest(path, name)
        if found != wanted:
            wrong.append(f"{name} {found}, published is {wanted}")
    if not wrong:
        return
    aside = (target or path).with_name((target or path).name + ".refused")
    os.replace(path, aside)
    raise DownloadError(
        f"{source.url}: not the published file ({'; '.join(wrong)}); it was put aside as {aside} and is not used. "
        "Give the command again; should it be the same again, the server's file has changed: please report it"
    )


def digest(path: Path, name: str) -> str:
    """Hex digits of a file's digest; `name` as in hashlib."""
    total = hashlib.new(name, usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def free(folder: Path, needed: int) -> None:
    """Raise DownloadError where the disk of `folder`, which exists, has less than `needed` bytes free."""
    left = shutil.disk_usage(folder).free
    if left < needed:
        raise DownloadError(
            f"{folder}: {size_words(left)} are free and {size_words(needed)} are needed; make room, or {ELSEWHERE}"
        )


def size_words(count: int) -> str:
    """'222 kB', '346.7 MB', '1.23 GB' (powers of 1000)."""
    if count >= 10**9:
        return f"{count / 10**9:.2f} GB"
    return f"{count / 10**6:.1f} MB" if count >= 10**6 else f"{count / 1000:.0f} kB"


def _fill(source: Source, sink: BinaryIO, target: Path, note: Note, patience: float) -> None:
    """Append what is missing, from the first address that gives it."""
    faults, begun = [], sink.tell()
    for url in (source.url, *source.mirrors):
        tries, most, reason = 0, sink.tell(), ""
        while tries < TRIES:
            try:
                _stream(url, source, sink, note, patience)
                return
            except _Final as fault:
                reason = str(fault)
                break
            except _Passing as fault:
                reason = str(fault)
                if isinstance(fault, _Unreachable) and sink.tell() <= begun:
                    break
            sink.flush()
            tries, most = (0, sink.tell()) if sink.tell() > most else (tries + 1, most)
            time.sleep(PAUSE * 2**tries if tries < TRIES else 0)
        faults.append(f"{url}: {reason}")
    kept = f"{size_words(sink.tell())} are kept, and the same command goes on from there" if sink.tell() else ""
    by_hand = f"without a network, put {target.name} into {target.parent} by hand and give the command again"
    raise DownloadError(
        "; ".join(
            each for each in (f"{target.name} could not be downloaded: " + "; ".join(faults), kept, by_hand) if each
        )
    )


def _stream(url: str, source: Source, sink: BinaryIO, note: Note, patience: float) -> None:
    """One connection: ask for what is missing, append what comes. Raises _Passing or _Final where it is not all."""
    import httpx

    if source.size and sink.tell() > source.size:
        _empty(sink)
    start = sink.tell()
    if source.size and start == source.size:
        return
    # no transfer encoding: a server that packs or unpacks the file on the way would change its bytes and its length
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=patience) as answer:
            total = _total(answer.status_code, answer.headers, source, sink)
            for block in answer.iter_raw():
                sink.write(block)
                if source.size and sink.tell() > source.size:
                    raise _Final(f"sends more than the {source.size:,} bytes that were published")
                note(sink.tell(), total)
    except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
        raise _Unreachable(f"no connection ({str(fault) or type(fault).__name__})") from fault
    except (httpx.TransportError, httpx.StreamError) as fault:
        raise _Passing(str(fault) or type(fault).__name__) from fault
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise _Final(str(fault) or type(fault).__name__) from fault
    if source.size and sink.tell() < source.size:
        raise _Passing(f"ended after {sink.tell():,} of {source.size:,} bytes")


def _total(status: int, headers: Mapping[str, str], source: Source, sink: BinaryIO) -> int:
    """How long the file will be, by the answer's head; empties `sink` where the answer begins at the beginning."""
    start = sink.tell()
    if status == 416:  # what is here is longer than what the server has
        _empty(sink)
        raise _Passing("the server cannot go on from there; begun anew")
    if status == 206:
        begun = re.match(r"bytes (\d+)-", headers.get("content-range", ""))
        if not begun or int(begun[1]) != start:
            _empty(sink)
            raise _Passing("the server went on from another byte; begun anew")
    elif status == 200:
        _empty(sink)  # also the answer of a server that does not know Range
        start = 0
    else:
        raise (_Passing if status in PASSING else _Final)(f"HTTP status {status}")
    length = headers.get("content-length", "")
    total = start + int(length) if length.isdigit() else 0
    if source.size and total and total != source.size:
        raise _Final(f"the server has {total:,} bytes, published are {source.size:,}")
    return total or source.size


def _empty(sink: BinaryIO) -> None:
    sink.seek(0)
    sink.truncate()
