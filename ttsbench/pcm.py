"""Raw samples as bytes that come in pieces of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsbench.errors import UserError

EMPTY = np.zeros(0, dtype=np.float32)


class AudioError(UserError):
    """Audio that cannot be used; the message names the file, the fault and what to do."""


class UnknownKind(AudioError):
    """A WAV whose samples are neither integers nor floats."""


@dataclass(frozen=True)
class Format:
    """How samples are written. `kind`: 's' signed, 'u' unsigned or 'f' float; `bits` of one sample of one channel.

    `big`: the bytes of a sample begin with the highest.
    """

    rate: int
    kind: str = "s"
    bits: int = 16
    channels: int = 1
    big: bool = False

    @property
    def frame(self) -> int:
        """Bytes of one moment, all channels."""
        return self.bits // 8 * self.channels

    def seconds(self, size: int) -> float:
        """How long `size` bytes last."""
        return size / self.frame / self.rate

    def __str__(self) -> str:
        kind = {"s": "integers", "u": "unsigned integers", "f": "floats"}[self.kind]
        return f"{self.rate} Hz, {self.bits}-bit {kind}, {self.channels} channel{'s' if self.channels > 1 else ''}"


class Pcm:
    """Samples of one format. `notes`: what was unusual, complete after `finish`."""

    def __init__(self, form: Format, strict: bool = False) -> None:
        """`strict`: half a moment at the end is an error, not a note."""
        self.form = form
        self.strict = strict
        self.rest = b""
        self.samples = 0
        self.notes: list[str] = []

    def feed(self, data: bytes) -> np.ndarray:
        """Float32 (n,) in [-1, 1] of the moments that are whole by now; channels are averaged. n may be 0."""
        data = self.rest + data
        whole = len(data) - len(data) % self.form.frame
        self.rest = data[whole:]
        found = decode(data[:whole], self.form)
        self.samples += found.size
        return found

    def finish(self) -> np.ndarray:
        """No more samples. Raises AudioError where none came; bytes of half a moment are left out with a note."""
        if not self.samples:
            raise AudioError("no audio came" + (f", only {len(self.rest)} bytes" if self.rest else ""))
        if self.rest and self.strict:
            raise AudioError(f"the audio is cut short inside a sample ({len(self.rest)} of {self.form.frame} bytes)")
        self.drop_rest()
        if self.form.channels > 1:
            self.notes.append(f"{self.form.channels} channels, averaged")
        return EMPTY

    def drop_rest(self) -> None:
        """Give up the bytes of half a moment."""
        if self.rest:
            self.notes.append(f"it ends inside a sample ({len(self.rest)} of {self.form.frame} bytes, left out)")
        self.rest = b""


def decode(data: bytes, form: Format) -> np.ndarray:
    """Whole moments to float32 mono. Integers are divided by 2^(bits-1)."""
    order = ">" if form.big else "<"
    if form.kind == "f":
        values = np.frombuffer(data, dtype=f"{order}f{form.bits // 8}").astype(np.float32)
    elif form.bits == 8 and form.kind == "u":
        values = (np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0
    elif form.bits == 24:
        parts = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
        low, high = (2, 0) if form.big else (0, 2)
        joined = parts[:, low] << 8 | parts[:, 1] << 16 | parts[:, high] << 24
        values = joined.astype(np.float32) / np.float32(2**31)
    else:
        whole = np.frombuffer(data, dtype=f"{order}i{form.bits // 8}")
        values = whole.astype(np.float32) / np.float32(2 ** (form.bits - 1))
    return values.reshape(-1, form.channels).mean(axis=1) if form.channels > 1 else values
