"""Audio for pages: small MP3 clips inside the page up to a cap, links beyond it; spectrograms as PNG."""

from __future__ import annotations

import base64
import io
import os
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from ttsbench import audio
from ttsbench.store import file_digest, write_atomically

CAP_MB = 6.0
RATE = 24000
Note = Callable[[int, int, str], None]


class Clips:
    """Numbers the audio files a page uses; `urls` turns them into data URIs (until the cap) and relative links.

    Clips and spectrograms are kept in `<out>/.clips` by the digest of their source, so that a page is written again in
    a moment. `note(done, total, what)` is called as they are made.
    """

    def __init__(self, out: Path, cap_mb: float = CAP_MB, note: Note | None = None) -> None:
        self.out = out
        self.cap = cap_mb * 1e6
        self.note = note or (lambda done, total, what: None)
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
        """One URL a number. Clips are encoded on all cores, a few at a time, until the cap is reached."""
        paths = list(self._numbers)
        folder = self.out.resolve()
        urls = _links(paths, folder)
        order = list(dict.fromkeys([*self._first, *range(len(paths))]))
        used, at, step = 0.0, 0, 4 * cores()
        while at < len(order) and used <= self.cap:
            part = order[at : at + step]
            for number, data in zip(part, self.made(encode, [paths[n] for n in part], ".mp3"), strict=True):
                used += len(data) * 4 / 3 + 30
                if used > self.cap:  # the first that does not fit ends it: thousands more would be made for nothing
                    break
                if data:
                    urls[number] = "data:audio/mpeg;base64," + base64.b64encode(data).decode()
            at += step
            self.note(min(at, len(order)), len(order), "clips")
        self.note(len(order), len(order), "clips")
        return urls

    def pictures(self, paths: Iterable[Path | None]) -> list[str]:
        """A data URI of each file's spectrogram; '' where there is no file, or it cannot be read."""
        found = self.made(spectrogram, list(paths), ".png")
        return ["data:image/png;base64," + base64.b64encode(data).decode() if data else "" for data in found]

    def made(self, make: Callable[[Path], bytes], paths: Sequence[Path | None], end: str) -> list[bytes]:
        """What `make` gives for each file, once a content and kept; b"" for what cannot be read."""
        with ThreadPoolExecutor(cores()) as pool:  # soundfile and soxr let other threads run
            digests = list(pool.map(lambda path: file_digest(path) if path and path.is_file() else "", paths))
            sources = {digest: path for digest, path in zip(digests, paths, strict=True) if digest and path}
            data = pool.map(lambda each: self._kept(make, each[1], f"{each[0]}{end}"), sources.items())
            found = dict(zip(sources, data, strict=True))
        return [found.get(digest, b"") for digest in digests]

    def _kept(self, make: Callable[[Path], bytes], path: Path, name: str) -> bytes:
        kept = path if path.suffix == Path(name).suffix else self.out / ".clips" / name
        if kept.exists():
            return kept.read_bytes()
        try:
            data = make(path)
        except audio.AudioError:
            return b""  # the link stays: the browser may know better
        write_atomically(kept, data)
        return data


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def encode(path: Path) -> bytes:
    """The file as MP3, mono, 24 kHz, about 45 kbit/s: any browser plays it, and it takes a fifth of Opus's time."""
    out = io.BytesIO()
    samples = audio.read_at(path, RATE)
    soundfile.write(out, samples, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.6)
    return out.getvalue()


def link(path: Path, folder: Path) -> str:
    """A relative URL from a page in `folder` (resolved) to `path`."""
    return urllib.parse.quote(os.path.relpath(path, folder).replace(os.sep, "/"))


def _links(paths: Sequence[Path], folder: Path) -> list[str]:
    """`link` of many files, with each of their folders looked up once."""
    ways: dict[str, str] = {}
    found = []
    for path in paths:
        head, name = os.path.split(path)
        if head not in ways:
            ways[head] = link(Path(head), folder)
        found.append(f"{ways[head]}/{urllib.parse.quote(name)}")
    return found


# --- spectrograms -------------------------------------------------------------------------------------------------

_COLOURS = np.array([[13, 8, 35], [74, 18, 110], [160, 45, 120], [229, 92, 80], [252, 171, 84], [252, 250, 200]])


@lru_cache(maxsize=1)
def _palette() -> bytes:
    at = np.linspace(0, len(_COLOURS) - 1, 64)
    colours = [np.interp(at, range(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(colours, axis=1).astype(np.uint8).tobytes()


def spectrogram(path: Path, height: int = 96, width: int = 420) -> bytes:
    """A PNG of the log-power spectrogram, 0 to 8 kHz, 80 dB deep. Raises AudioError where the file cannot be read."""
    size = 512
    samples = np.pad(audio.read_at(path, 16000), (size // 2, size))
    starts = np.linspace(0, max(0, samples.size - size), width).astype(int)
    frames = samples[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2  # (width, 256)
    edges = np.linspace(0, power.shape[1], height + 1).astype(int)
    bands = np.add.reduceat(power, edges[:-1], axis=1).T[::-1]
    level = 10 * np.log10(bands + 1e-10)
    shade = np.clip((level - level.max()) / 80 + 1, 0, 1)
    picture = Image.fromarray((shade * 63).astype(np.uint8)).convert("P")
    picture.putpalette(_palette())
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
