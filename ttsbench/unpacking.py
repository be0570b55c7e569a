"""A tar archive of data, unpacked so that it can write nowhere but below its own folder."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from ttsbench.download import size_words
from ttsbench.errors import UserError
from ttsbench.files import room_for


class ArchiveError(UserError):
    """An archive that is broken or holds what data never holds; nothing of it is kept."""


def unpack(archive: Path, folder: Path, limit: int, note: Callable[[int], None] = lambda done: None) -> None:
    """Unpack the regular files and folders of a tar, packed or not, below `folder`, which must not exist yet.

    Raises ArchiveError, and leaves no `folder`: a member outside of it, a link or a device, more than `limit` bytes in
    all, an archive that is cut off. Owners, modes and times are not taken over. `note` hears of the bytes written.
    """
    folder.mkdir(parents=True)
    done = 0
    try:
        with room_for(folder), tarfile.open(archive) as source:
            for member in source:
                target = folder / _inside(archive, member)
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                done += member.size
                if done > limit:
                    raise ArchiveError(f"{archive}: unpacks to more than {size_words(limit)}; nothing of it was kept")
                target.parent.mkdir(parents=True, exist_ok=True)
                content = source.extractfile(member)
                assert content is not None  # a regular file
                with target.open("xb") as sink:
                    shutil.copyfileobj(content, sink)
                note(done)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as fault:
        shutil.rmtree(folder, ignore_errors=True)
        raise ArchiveError(
            f"{archive}: cannot be unpacked ({fault}); if it is broken, delete it and fetch it again"
        ) from fault
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _inside(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    """The member's path; raises ArchiveError for one that leads elsewhere and for all but files and folders."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or PureWindowsPath(member.name).drive:
        problem = "a path that leaves the archive's own folder"
    elif member.issym() or member.islnk():
        problem = f"a link (to {member.linkname!r})"
    elif not (member.isreg() or member.isdir()):
        problem = "a device or another special file"
    else:
        return path
    raise ArchiveError(f"{archive}: holds {member.name!r}, {problem}; nothing of it was kept, do not use this archive")
