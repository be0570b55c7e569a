"""The files within a compressed file, and what each promises: libsndfile reads the first alone and believes its length.

Sources of the layouts: ISO/IEC 11172-3 and 13818-3 (MP3 frames), RFC 3533 (Ogg pages), RFC 9639 (FLAC).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_BITRATES = {  # kbit/s of layer III by index, MPEG 1 and MPEG 2 or 2.5
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version
_FLAC = b"fLaC\0\0\0\x22"  # the mark and the head of its first block


@dataclass(frozen=True)
class Piece:
    """A file that libsndfile reads to its end. `promised`: samples of one channel, 0 where that is not said,
    None where libsndfile says it.

    `cut`: what shows that it is not whole, or "".
    """

    data: bytes
    promised: int | None = None
    cut: str = ""


def pieces(data: bytes) -> list[Piece]:
    """What a file is made of, in order; a file of a kind that is not known here is one piece."""
    if data.startswith(b"OggS"):
        return _ogg(data)
    if data.startswith(b"fLaC"):
        return _flac(data)
    if data.startswith(b"ID3") or mp3_frame(data, 0):
        return _mp3(data) or [Piece(data)]
    return [Piece(data)]


# --- FLAC and Ogg -------------------------------------------------------------------------------------------------


def _flac(data: bytes) -> list[Piece]:
    starts = [0]
    while (at := data.find(_FLAC, starts[-1] + 4)) > 0:
        starts.append(at)
    found = []
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        piece = data[start:end]
        total = int.from_bytes(piece[21:26], "big") & 0xFFFFFFFFF if len(piece) >= 26 else 0
        found.append(Piece(piece, total))
    return found


def _ogg(data: bytes) -> list[Piece]:
    """Chained streams: a page that begins one (flag 2), after pages that do not."""
    starts, cut, flags, beginning = [0], {}, 0, True
    for at, end, flags in _pages(data):
        if flags & 2 and not beginning:
            starts.append(at)
        beginning = bool(flags & 2)
        if end > len(data):
            cut[starts[-1]] = "its last page is cut short"
        elif flags & 4:
            cut[starts[-1]] = ""
        else:
            cut[starts[-1]] = "it has no last page"
    ends = [*starts[1:], len(data)]
    return [Piece(data[start:end], None, cut.get(start, "")) for start, end in zip(starts, ends, strict=True)]


def _pages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, end, flags) of each page; the last may end behind the data."""
    at = 0
    while (at := data.find(b"OggS", at)) >= 0:
        if len(data) < at + 27 or len(data) < at + 27 + data[at + 26]:
            yield at, len(data) + 1, 0
            return
        end = at + 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        yield at, end, data[at + 5]
        at = end if data[end : end + 4] == b"OggS" or end >= len(data) else at + 4


# --- MP3 ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """One frame of layer III: bytes, samples of one channel, kbit/s, and where a Xing header stands."""

    size: int
    samples: int
    bitrate: int
    rate: int
    tag: int


def mp3_frame(data: bytes, at: int) -> Frame | None:
    """The frame that begins at `at`, or None."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, index, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or index in (0, 15) or rate == 3:
        return None
    first, mono = version == 3, data[at + 3] >> 6 == 3
    bitrate, hertz = _BITRATES[first][index], _RATES[version][rate]
    size = (144 if first else 72) * bitrate * 1000 // hertz + (data[at + 2] >> 1 & 1)
    return Frame(size, 1152 if first else 576, bitrate, hertz, 4 + {(1, 0): 32, (0, 1): 9}.get((first, mono), 17))


def _mp3(data: bytes) -> list[Piece]:
    """A new file begins at a Xing header, and at an ID3 tag, after sound."""
    groups: list[list[tuple[int, Frame]]] = []
    at, fresh, end = 0, True, 0
    while at < len(data):
        if data[at : at + 3] == b"ID3" and len(data) >= at + 10:
            size = sum(
                (byte & 127) << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True)
            )
            at, fresh = at + 10 + size, True
            continue
        frame = mp3_frame(data, at)
        if frame is None:
            at = _next_frame(data, at + 1)
            continue
        if fresh or _xing(data, at, frame) is not None:
            groups.append([])
        fresh = False
        groups[-1].append((at, frame))
        at = end = at + frame.size
    found = [_mp3_piece(data, group) for group in groups]
    last = found[-1] if found else None
    if last and end > len(data) and not last.cut:
        found[-1] = Piece(last.data, last.promised, "its last frame is cut short")
    return found


def _next_frame(data: bytes, at: int) -> int:
    """The next place where a frame begins and another follows it, or a tag; the end of the data where there is none."""
    begin = at
    while (at := data.find(b"\xff", at)) >= 0:
        frame = mp3_frame(data, at)
        after = at + frame.size if frame else 0
        if frame and (mp3_frame(data, after) or after == len(data) or data[after : after + 3] in (b"ID3", b"TAG")):
            break
        at += 1
    tag = data.find(b"ID3", begin, at if at >= 0 else len(data))
    return tag if tag >= 0 else at if at >= 0 else len(data)


def _xing(data: bytes, at: int, frame: Frame) -> int | None:
    """Frames that a Xing header promises, 0 where it does not say; None where the frame is no such header."""
    head = data[at + frame.tag : at + frame.tag + 12]
    if head[:4] not in (b"Xing", b"Info") or len(head) < 12:
        return None
    flags, count = struct.unpack(">II", head[4:])
    return int(count) if flags & 1 else 0


def _mp3_piece(data: bytes, group: list[tuple[int, Frame]]) -> Piece:
    """The frames of one file, behind a header that says how many they are."""
    at, first = group[0]
    promised = _xing(data, at, first)
    sound = group[1:] if promised is not None else group
    last, frame = group[-1]
    body = data[at : last + frame.size]
    if promised and promised == len(sound):
        return Piece(body, 0)
    cut = ""
    if promised and promised > len(sound):
        there, whole = (count * first.samples / first.rate for count in (len(sound), promised))
        cut = f"its header promises {whole:.2f} s, {there:.2f} s are there"
    if promised is not None:  # what else the header holds, such as the encoder's delay, stays
        count = struct.pack(">I", len(sound))
        flags = struct.unpack_from(">I", body, first.tag + 4)[0]
        if flags & 1:
            return Piece(body[: first.tag + 8] + count + body[first.tag + 12 :], 0, cut)
        body = body[first.size :]
    return Piece(_header(data[at : at + 4], len(sound), len(body)) + body, 0, cut)


def _header(start: bytes, frames: int, size: int) -> bytes:
    """A silent frame of the same kind with a Xing header that says how many frames follow."""
    index = 5 if start[1] >> 3 & 3 == 3 else 8  # 64 kbit/s, long enough for the header
    head = bytes([start[0], start[1] | 1, index << 4 | start[2] & 0x0C, start[3]])
    frame = mp3_frame(head, 0)
    assert frame is not None
    return (head.ljust(frame.tag, b"\0") + b"Xing" + struct.pack(">III", 3, frames, frame.size + size)).ljust(
        frame.size, b"\0"
    )
