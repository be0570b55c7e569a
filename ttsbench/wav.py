"""WAV as bytes that come in pieces of any size: one reader for streams and for files.

Sizes are believed where they can be true: 0, or more than ten minutes, stands for "not known". Several WAVs in a row
are joined, and what is no sound (other chunks, a second header) never becomes sound.
"""

from __future__ import annotations

import re
import struct

import numpy as np

from ttsbench.pcm import EMPTY, AudioError, Format, Pcm, UnknownKind

MAX_SECONDS = 600.0
LONGEST_CHUNK = 1 << 20  # bytes of a chunk that is not sound
RIFFS = (b"RIFF", b"RF64", b"BW64")
NAMES = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"fact", b"PEAK", b"inst", b"JUNK", b"junk", b"iXML")
# what may end sound of unknown length: a whole header, or a known chunk of less than 1 MiB
HEADER = re.compile(b"(?:" + b"|".join(RIFFS) + b")....WAVE", re.DOTALL)
CHUNK = re.compile(b"(?:" + b"|".join(NAMES) + b")..[\x00-\x0f]\x00", re.DOTALL)
HELD = 12  # bytes that may be the beginning of either, or the header's sizes


class Wav:
    """One WAV or several in a row. With `rate`, that must be theirs, so that a wrong card is found.

    `notes`: what was unusual, `lacking`: what shows that the sound is not whole; both complete after `close`.
    """

    def __init__(self, rate: int | None = None) -> None:
        self.rate = rate
        self.held = b""  # bytes whose meaning is not known yet
        self.state = "header"  # then "chunks", "sound", at last perhaps "stray"
        self.form: Format | None = None  # of the file at hand; None until its format is read
        self.pcm: Pcm | None = None
        self.left: int | None = None  # bytes of sound still promised; None: until something that is no sound
        self.at = 0  # bytes of sound read in this file
        self.size64 = 0  # of sound, as an RF64 header says it
        self.files = 0  # that hold sound
        self.notes: list[str] = []
        self.lacking = ""

    def feed(self, data: bytes) -> np.ndarray:
        """As `Pcm.feed`. Raises AudioError for a header that is not WAV, or of a kind or rate not expected."""
        self.held += data
        found: list[np.ndarray] = []
        while True:
            before = self.state, len(self.held)
            if self.state == "header":
                self._header()
            elif self.state == "chunks":
                self._chunk()
            elif self.state == "sound":
                found.append(self._sound())
            if (self.state, len(self.held)) == before:
                return _joined(found)

    def finish(self) -> np.ndarray:
        """The last samples. Raises AudioError where sound is missing or shorter than its header promised."""
        found = self.close()
        if self.lacking:
            raise AudioError(self.lacking)
        return found

    def close(self) -> np.ndarray:
        """As `finish`; but of sound that is not whole, what there is. Raises AudioError where there is none."""
        if self.pcm is None:
            empty = self.state == "header" and not self.held
            had = "nothing came" if empty else f"it ended inside the header, at {self.held[:12]!r}"
            raise AudioError(f"no WAV audio: {had}")
        found, form = EMPTY, self.pcm.form
        if self.state == "sound" and self.left is None:
            found = self._last()
        elif self.state == "sound" and self.left:
            lost, promised = form.seconds(self.left), form.seconds(self.left + self.at)
            self.lacking = f"the WAV is cut short: {self.left} bytes ({lost:.2f} of {promised:.2f} s promised) lack"
        elif self.state == "stray" and form.seconds(len(self.held)) > 0.05:
            self.lacking = (
                f"{len(self.held)} bytes ({form.seconds(len(self.held)):.2f} s) follow the {form.seconds(self.at):.2f} "
                "s that the WAV header promises, and are no chunk: its size is wrong"
            )
        elif self.held.strip(b"\0"):
            self.notes.append(f"{len(self.held)} bytes behind the sound left out")
        if self.pcm.samples == 0:
            raise AudioError("a WAV header without samples")
        self.pcm.finish()
        self.notes = [*self.pcm.notes, *self.notes]
        if self.files > 1:
            self.notes.append(f"{self.files} WAVs in a row, joined")
        return found

    def _header(self) -> None:
        """The first 12 bytes of a file."""
        head = self.held
        if not any(name.startswith(head[:4]) for name in RIFFS) or not b"WAVE".startswith(head[8:12]):
            raise AudioError(f"not a WAV file: it begins with {head[:12]!r}")
        if len(head) >= 12:
            self.held, self.state, self.form, self.size64 = head[12:], "chunks", None, 0

    def _chunk(self) -> None:
        """A chunk that is no sound, the header of the sound, or another file."""
        if len(self.held) < 12 and not self.held.startswith(b"data"):
            return
        if self.held.startswith(b"\0") and _is_name(self.held[1:5]):  # what fills up a chunk of an odd size
            self.held = self.held[1:]
            return
        head = self.held
        if len(head) < 8:
            return
        name, size = struct.unpack_from("<4sI", head)
        if HEADER.match(head):
            self.state = "header"
        elif name == b"data" and self.form is not None:
            self.held = head[8:]
            self._open(self.size64 if size == 0xFFFFFFFF else size)
        elif name == b"data":
            raise AudioError("not a usable WAV file: sound comes before its format")
        elif size > LONGEST_CHUNK or not _is_name(name):
            if self.pcm is None:
                raise AudioError(f"not a usable WAV file: a chunk {name!r} of {size} bytes before the sound")
            self.state = "stray"
        elif len(head) >= 8 + size:
            body, self.held = head[8 : 8 + size], head[8 + size :]
            if name == b"fmt ":
                self._format(form_of(body))
            elif name == b"ds64" and size >= 16:
                self.size64 = struct.unpack_from("<Q", body, 8)[0]

    def _format(self, form: Format) -> None:
        self.form = form
        if self.rate is not None and form.rate != self.rate:
            raise AudioError(f"the audio has {form.rate} Hz, the card says {self.rate}: correct sample_rate")
        if self.pcm is not None and form != self.pcm.form:
            raise AudioError(f"a second WAV of another format follows: {form}, after {self.pcm.form}")

    def _open(self, size: int) -> None:
        """The sound begins, `size` bytes of it by the header."""
        assert self.form is not None
        self.pcm = self.pcm or Pcm(self.form)
        self.pcm.drop_rest()
        known = 0 < size <= MAX_SECONDS * self.form.frame * self.form.rate
        self.state, self.left, self.at = "sound", size if known else None, 0

    def _sound(self) -> np.ndarray:
        """The sound at hand."""
        if self.left is not None:
            found = self._take(min(self.left, len(self.held)))
            if not self.left:
                self.state = "chunks"
            return found
        match = HEADER.search(self.held)
        header = match.start() if match else len(self.held)
        chunk, sure = self._chunk_behind()
        if min(header, chunk) == len(self.held):
            return self._take(max(0, len(self.held) - HELD))
        if header < chunk or sure:
            self.state = "chunks"
        return self._take(min(header, chunk))

    def _chunk_behind(self) -> tuple[int, bool]:
        """Where a chunk may stand behind the sound, and whether it does: another follows it. Else it may yet be."""
        for match in CHUNK.finditer(self.held):
            start = match.start()
            after = self.held[start + _size(self.held[start : start + 8]) :].removeprefix(b"\0")
            if len(after) < HELD:
                return start, False
            if HEADER.match(after) or CHUNK.match(after):
                return start, True
        return len(self.held), False

    def _take(self, size: int) -> np.ndarray:
        """`size` of the bytes held, as sound."""
        assert self.pcm is not None
        data, self.held = self.held[:size], self.held[size:]
        self.files += bool(data and not self.at)
        self.at += len(data)
        self.left = None if self.left is None else self.left - len(data)
        return self.pcm.feed(data)

    def _last(self) -> np.ndarray:
        """The end of sound of unknown length: what is held is sound, but for a chunk or the header's sizes."""
        found = []
        while match := CHUNK.search(self.held):
            found.append(self._take(match.start()))
            if len(self.held) in (_size(self.held), _size(self.held) + 1):
                self.held = b""
            else:
                found.append(self._take(1))
        sound = self.at + len(self.held) - 8
        if len(self.held) >= 8 and _are_sizes(self.held[-8:], sound):
            found.append(self._take(len(self.held) - 8))
            self.notes.append("the header's sizes stand behind the sound, left out")
            self.held = b""
        found.append(self._take(len(self.held)))
        return _joined(found)


def _joined(found: list[np.ndarray]) -> np.ndarray:
    found = [each for each in found if each.size]
    return np.concatenate(found) if found else EMPTY


def _is_name(name: bytes) -> bool:
    """Whether four bytes can name a chunk."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _size(chunk: bytes) -> int:
    """Bytes of a chunk with its head, by its head."""
    return 8 + int(struct.unpack_from("<I", chunk, 4)[0])


def _are_sizes(data: bytes, sound: int) -> bool:
    """Whether 8 bytes are the sizes that the header should have had: of the file, and of `sound` bytes."""
    whole, own = struct.unpack("<II", data)
    return own == sound and 36 <= whole - own <= 4096


def form_of(body: bytes) -> Format:
    """The `fmt ` chunk. Raises AudioError for anything but plain PCM and float."""
    if len(body) < 16:
        raise AudioError("not a usable WAV file: its format chunk is too short")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == 0xFFFE and len(body) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the true tag opens the sub-format
        (tag,) = struct.unpack_from("<H", body, 24)
    kind = {1: "u" if bits == 8 else "s", 3: "f"}.get(tag)
    if kind is None or bits not in ((32, 64) if kind == "f" else (8, 16, 24, 32)) or not channels or not rate:
        name = {2: " (ADPCM)", 6: " (A-law)", 7: " (mu-law)", 17: " (ADPCM)", 85: " (MP3)"}.get(tag, "")
        raise UnknownKind(
            f"WAV of format {tag}{name}, {bits} bits, {channels} channels, {rate} Hz: only PCM and float work"
        )
    return Format(rate, kind, bits, channels)
