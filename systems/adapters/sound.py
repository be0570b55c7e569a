"""Bytes as they arrive, to float32 mono samples: raw PCM, or WAV whose header comes off the same stream."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ttsbench.systems.errors import SpeechError

# Sizes that writers of unseekable streams put where they cannot know: 0, all ones, or about 2 GiB (espeak-ng, sox).
ENDLESS = 0x7FFF0000
LONGEST_HEADER = 1 << 20
_NOT_PCM = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"\xff\xfb": "MP3", b"\xff\xf3": "MP3", b"\xff\xf2": "MP3"}


@dataclass(frozen=True)
class Format:
    """How samples are written. `kind`: 's' signed, 'u' unsigned or 'f' float; `bits` of one sample of one channel."""

    rate: int
    kind: str = "s"
    bits: int = 16
    channels: int = 1

    @property
    def frame(self) -> int:
        """Bytes of one moment, all channels."""
        return self.bits // 8 * self.channels


class Pcm:
    """Raw little-endian samples, cut anywhere."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.rest = b""
        self.samples = 0

    def feed(self, data: bytes) -> np.ndarray:
        """Float32 (n,) in [-1, 1] of the moments that are whole by now; channels are averaged. n may be 0."""
        data = self.rest + data
        whole = len(data) - len(data) % self.form.frame
        self.rest = data[whole:]
        found = _decode(data[:whole], self.form)
        self.samples += found.size
        return found

    def finish(self) -> None:
        """Raise SpeechError where the stream held nothing or stopped inside a sample."""
        if self.rest and self.samples:
            raise SpeechError(f"the audio is cut short inside a sample ({len(self.rest)} of {self.form.frame} bytes)")
        if not self.samples:
            raise SpeechError("no audio came" + (f", only {len(self.rest)} bytes" if self.rest else ""))


class Wav:
    """A WAV file as a stream. The rate must be `rate`, so that a wrong card is found and not papered over."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.header = b""
        self.pcm: Pcm | None = None
        self.left: int | None = 0  # bytes of sound still promised; None where the header does not say

    def feed(self, data: bytes) -> np.ndarray:
        """As `Pcm.feed`. Raises SpeechError for a header that is not WAV, or of a kind or rate not expected."""
        if self.pcm is None:
            self.header += data
            data = self._open()
        if self.pcm is None:
            return np.zeros(0, dtype=np.float32)
        if self.left is not None:
            data = data[: self.left]  # what follows the sound is other chunks, such as LIST
            self.left -= len(data)
        return self.pcm.feed(data)

    def finish(self) -> None:
        """Raise SpeechError where the sound is missing or shorter than its header promised."""
        if self.pcm is None:
            had = f"it ended after {len(self.header)} bytes, inside the header" if self.header else "nothing came"
            raise SpeechError(f"no WAV audio: {had}")
        if self.pcm.samples == 0:
            raise SpeechError("a WAV header without samples")
        if self.left:
            seconds = self.left / self.pcm.form.frame / self.pcm.form.rate
            raise SpeechError(f"the WAV is cut short: {self.left} bytes ({seconds:.2f} s) of those promised lack")
        self.pcm.finish()

    def _open(self) -> bytes:
        """Read chunks of the header up to the sound; what is left of the bytes at hand is returned."""
        head = self.header
        if not b"RIFF".startswith(head[:4]) or (len(head) >= 12 and head[8:12] != b"WAVE"):
            raise SpeechError(f"not a WAV file: it begins with {head[:12]!r}")
        at, form = 12, None
        while len(head) >= at + 8:
            name, size = struct.unpack_from("<4sI", head, at)
            if name == b"data":
                if form is None:
                    raise SpeechError("not a usable WAV file: sound comes before its format")
                self.pcm = Pcm(form)
                self.left = None if size == 0 or size >= ENDLESS else size
                self.header = b""
                return head[at + 8 :]
            if at + 8 + size > LONGEST_HEADER:
                raise SpeechError(f"not a usable WAV file: a chunk {name!r} of {size} bytes before the sound")
            if len(head) < at + 8 + size:
                break
            if name == b"fmt ":
                form = _format(head[at + 8 : at + 8 + size])
                if form.rate != self.rate:
                    raise SpeechError(f"the audio has {form.rate} Hz, the card says {self.rate}: correct sample_rate")
            at += 8 + size + size % 2
        return b""


class Guess:
    """WAV if the stream begins as one, else raw 16-bit samples; a clear error for text and compressed audio."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.start = b""
        self.inner: Pcm | Wav | None = None

    def feed(self, data: bytes) -> np.ndarray:
        """As `Pcm.feed`, once the first 16 bytes show what the stream is."""
        if self.inner is not None:
            return self.inner.feed(data)
        self.start += data
        if len(self.start) < 16:
            return np.zeros(0, dtype=np.float32)
        self._choose()
        assert self.inner is not None
        return self.inner.feed(self.start)

    def finish(self) -> None:
        """As the inner decoder's; a stream of under 16 bytes is no audio."""
        if self.inner is None:
            self._choose()
            raise SpeechError(f"no audio came, only {len(self.start)} bytes" if self.start else "no audio came")
        self.inner.finish()

    def _choose(self) -> None:
        for mark, kind in _NOT_PCM.items():
            if self.start.startswith(mark):
                raise SpeechError(f"the audio is {kind}; ask for WAV or raw PCM, which can be played as they arrive")
        if looks_like_text(self.start):
            raise SpeechError(f"text came in place of audio: {self.start[:300].decode('utf-8', 'replace')!r}")
        self.inner = Wav(self.rate) if self.start.startswith(b"RIFF") else Pcm(Format(self.rate))


def looks_like_text(data: bytes) -> bool:
    """Whether all of the first bytes are printable ASCII and open like JSON or a page; sound hardly ever is."""
    start = data[:64]
    return start.lstrip()[:1] in (b"{", b"[", b"<") and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)


def _format(body: bytes) -> Format:
    """The `fmt ` chunk. Raises SpeechError for anything but plain PCM and float."""
    if len(body) < 16:
        raise SpeechError("not a usable WAV file: its format chunk is too short")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == 0xFFFE and len(body) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the true tag opens the sub-format
        (tag,) = struct.unpack_from("<H", body, 24)
    kind = {1: "u" if bits == 8 else "s", 3: "f"}.get(tag)
    if kind is None or bits not in ((32, 64) if kind == "f" else (8, 16, 24, 32)) or not channels or not rate:
        raise SpeechError(f"WAV of format {tag}, {bits} bits, {channels} channels, {rate} Hz: only PCM and float work")
    return Format(rate, kind, bits, channels)


def _decode(data: bytes, form: Format) -> np.ndarray:
    """Whole moments to float32 mono. Integers are divided by 2^(bits-1)."""
    if form.kind == "f":
        values = np.frombuffer(data, dtype=f"<f{form.bits // 8}").astype(np.float32)
    elif form.bits == 8:
        values = (np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0
    elif form.bits == 24:
        parts = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
        joined = parts[:, 0] << 8 | parts[:, 1] << 16 | parts[:, 2] << 24
        values = joined.astype(np.float32) / np.float32(2**31)
    else:
        values = np.frombuffer(data, dtype=f"<i{form.bits // 8}").astype(np.float32) / np.float32(2 ** (form.bits - 1))
    return values.reshape(-1, form.channels).mean(axis=1) if form.channels > 1 else values
