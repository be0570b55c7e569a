"""Archives: what would write elsewhere leaves nothing, what is broken is refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from ttsbench.unpacking import ArchiveError, unpack

from .archives import packed

CONTENT = bytes(np.random.default_rng(7).integers(0, 256, 50_000, np.uint8))


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("../outside", b"x", "leaves the archive"),
        ("data/../../outside", b"x", "leaves the archive"),
        ("/tmp/outside", b"x", "leaves the archive"),
        ("data\\..\\outside", b"x", "leaves the archive"),
        ("C:outside", b"x", "leaves the archive"),
        ("data/link", special(tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        ("data/link", special(tarfile.LNKTYPE, "data/ok"), "a link"),
        ("data/pipe", special(tarfile.FIFOTYPE), "a device"),
        ("data/disk", special(tarfile.BLKTYPE), "a device"),
        ("data/big", b"x" * 5000, "unpacks to more than"),
        ("data/ok", b"again", "cannot be unpacked"),
    ],
)
def test_an_archive_that_would_write_elsewhere_leaves_nothing(
    tmp_path: Path, name: str, content: bytes | tarfile.TarInfo, problem: str
) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed(("data/ok", b"fine"), (name, content)))
    with pytest.raises(ArchiveError, match=problem):
        unpack(archive, tmp_path / "in" / "here", limit=1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_archive_is_unpacked_and_a_broken_one_refused(tmp_path: Path, mode: str) -> None:
    content = packed(("data", special(tarfile.DIRTYPE)), ("data/ok", CONTENT), mode=mode)
    archive = tmp_path / "a.tar"
    archive.write_bytes(content)
    heard: list[int] = []
    unpack(archive, tmp_path / "out", 60_000, heard.append)
    assert (tmp_path / "out/data/ok").read_bytes() == CONTENT and heard == [50_000]
    archive.write_bytes(content[:20_000])
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "cut", 60_000)
    assert not (tmp_path / "cut").exists()
