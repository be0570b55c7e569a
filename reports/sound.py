"""Audio for pages: small Opus clips inside the page up to a cap, links beyond it; spectrograms as PNG."""

from __future__ import annotations

import base64
import os
import struct
import urllib.parse
import zlib
from pathlib import Path

import numpy as np

from ttsbench import audio
from ttsbench.store import file_digest, write_atomically

CAP_MB = 6.0
RATE = 24000  # Opus knows 8, 12, 16, 24 and 48 kHz only


class Clips:
    """Numbers the audio files a page uses; `urls` turns them into data URIs (until the cap) and relative links.

    Encoded clips are kept in `<out>/.clips` by content, so that a page is written again in a moment.
    """

    def __init__(self, out: Path, cap_mb: float = CAP_MB) -> None:
        self.out = out
        self.cap = cap_mb * 1e6
        self._numbers: dict[Path, int] = {}
        self._first: list[int] = []

    def number(self, path: Path | None, first: bool = False) -> int:
        """The clip's number, or -1 where there is no such file; `first` clips are embedded before all others."""
        if path is None or not path.is_file():
            return -1
        number = self._numbers.setdefault(path, len(self._numbers))
        if first:
            self._first.append(number)
        return number

    def urls(self) -> list[str]:
        """One URL a number."""
        paths = list(self._numbers)
        folder = self.out.resolve()
        urls = [link(path, folder) for path in paths]
        used = 0.0
        for number in dict.fromkeys([*self._first, *range(len(paths))]):
            data = self._clip(paths[number])
            used += len(data) * 4 / 3 + 30
            if used > self.cap:  # the first that does not fit ends it: thousands more would be encoded for nothing
                break
            if data:
                urls[number] = "data:audio/ogg;base64," + base64.b64encode(data).decode()
        return urls

    def _clip(self, path: Path) -> bytes:
        kept = self.out / ".clips" / f"{file_digest(path)}.opus"
        if kept.exists():
            return kept.read_bytes()
        try:
            data = opus(path)
        except audio.AudioError:
            return b""  # the link stays: the browser may know better
        write_atomically(kept, data)
        return data


def opus(path: Path) -> bytes:
    """The file as Ogg Opus, mono, 24 kHz, about 37 kbit/s."""
    import io

    import soundfile

    out = io.BytesIO()
    soundfile.write(out, audio.read_at(path, RATE), RATE, format="OGG", subtype="OPUS")
    return out.getvalue()


def link(path: Path, folder: Path) -> str:
    """A relative URL from a page in `folder` (resolved) to `path`."""
    return urllib.parse.quote(os.path.relpath(path, folder).replace(os.sep, "/"))


# --- spectrograms -------------------------------------------------------------------------------------------------

_STOPS = np.array([[13, 8, 35], [74, 18, 110], [160, 45, 120], [229, 92, 80], [252, 171, 84], [252, 250, 200]])


def spectrogram(path: Path, height: int = 96, width: int = 420) -> str:
    """A data URI of the log-power spectrogram, 0 to 8 kHz, 80 dB deep; '' where the file cannot be read."""
    try:
        samples = audio.read_at(path, 16000)
    except audio.AudioError:
        return ""
    size = 512
    samples = np.pad(samples, (size // 2, size))
    starts = np.linspace(0, max(0, samples.size - size), width).astype(int)
    frames = samples[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2  # (width, 256)
    edges = np.linspace(0, power.shape[1], height + 1).astype(int)
    bands = np.add.reduceat(power, edges[:-1], axis=1).T[::-1]
    level = 10 * np.log10(bands + 1e-10)
    shade = np.clip((level - level.max()) / 80 + 1, 0, 1)
    return "data:image/png;base64," + base64.b64encode(_png((shade * 63).astype(np.uint8))).decode()


def _png(pixels: np.ndarray) -> bytes:
    """A 64-colour PNG of `pixels` (height, width) in [0, 63]. Source: PNG specification, sections 5 and 11."""
    at = np.linspace(0, len(_STOPS) - 1, 64)
    palette = np.stack([np.interp(at, range(len(_STOPS)), _STOPS[:, c]) for c in range(3)], axis=1).astype(np.uint8)
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"PLTE", palette.tobytes()) + chunk(b"IDAT", zlib.compress(rows, 6))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")
