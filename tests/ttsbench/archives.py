"""Tar archives made in memory, for the tests of downloads and of unpacking."""

import io
import tarfile


def packed(*members: tuple[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else b""
            member.name, member.size = name, len(data)
            archive.addfile(member, io.BytesIO(data))
    return held.getvalue()
