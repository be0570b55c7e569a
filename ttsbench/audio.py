"""Read, check, write and resample audio. The one place where files become float32 mono samples."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ttsbench.errors import UserError
from ttsbench.records import Retry
from ttsbench.store import file_digest as digest
from ttsbench.store import write_atomically

__all__ = [
    "AudioError",
    "check",
    "digest",
    "first_audible",
    "peculiarities",
    "read",
    "read_at",
    "resample",
    "whole",
    "write",
]

MAX_SECONDS = 600.0
SILENCE = 2.0**-12  # a peak below -72 dBFS carries no speech
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")


class AudioError(UserError):
    """An audio file that cannot be used; the message names the file, the fault and what to do."""


def read(path: Path | str, start: float = 0.0, stop: float | None = None) -> tuple[np.ndarray, int]:
    """Samples as float32 (n,) in [-1, 1] and the file's rate in Hz. Channels are averaged.

    `start` and `stop` in seconds. Raises AudioError for a missing, empty, unreadable, over-long, non-finite or
    silent file.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    try:
        with soundfile.SoundFile(path) as handle:
            rate = handle.samplerate
            if handle.frames > MAX_SECONDS * rate:
                raise AudioError(f"{path}: {handle.frames / rate:.0f} s long, the limit is {MAX_SECONDS:.0f} s")
            samples = handle.read(dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, RuntimeError) as fault:
        raise AudioError(f"{path}: not readable as audio ({fault})") from fault
    if samples.size == 0:
        raise AudioError(f"{path}: a header without samples")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: {int((~np.isfinite(samples)).sum())} samples are NaN or infinite")
    samples = samples[round(start * rate) : None if stop is None else round(stop * rate)]
    if samples.size == 0:
        raise AudioError(f"{path}: nothing is left after the first {start:.2f} s")
    if np.abs(samples).max() < SILENCE:
        raise AudioError(f"{path}: silent (peak under -72 dBFS)")
    return samples, rate


def read_at(path: Path | str, rate: int, start: float = 0.0, stop: float | None = None) -> np.ndarray:
    """As `read`, resampled to `rate` Hz with soxr HQ."""
    samples, own = read(path, start, stop)
    return resample(samples, own, rate)


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Float32 (n,) at `source` Hz to `target` Hz with soxr HQ."""
    if source == target:
        return samples
    return np.asarray(soxr.resample(samples, source, target, quality="HQ"), dtype=np.float32)


def check(samples: np.ndarray) -> np.ndarray:
    """Float32 mono in [-1, 1], clipped; raises AudioError for a wrong shape, no samples, or non-finite values."""
    samples = np.asarray(samples)
    if samples.dtype.kind not in "fiu" or samples.ndim != 1:
        raise AudioError(f"audio must be one-dimensional numbers, not {samples.dtype} of shape {samples.shape}")
    if samples.dtype.kind in "iu":
        raise AudioError(f"audio must be float in [-1, 1], not {samples.dtype}: divide 16-bit integers by 32768")
    samples = samples.astype(np.float32)
    if not np.isfinite(samples).all():
        raise AudioError(f"{int((~np.isfinite(samples)).sum())} of {samples.size} samples are NaN or infinite")
    return np.clip(samples, -1.0, 1.0)


def whole(pieces: Iterable[np.ndarray | Retry]) -> np.ndarray:
    """The chunks of one utterance as one array (n,); chunks before a Retry are void. Raises AudioError for no audio."""
    kept: list[np.ndarray] = []
    for piece in pieces:
        kept = [] if isinstance(piece, Retry) else [*kept, check(piece)]
    if not sum(piece.size for piece in kept):
        raise AudioError("the system gave no audio")
    return np.concatenate(kept)


def peculiarities(path: Path | str, samples: np.ndarray, rate: int) -> str:
    """What is unusual but usable about a file, in words; "" for nothing."""
    found = []
    channels = soundfile.info(path).channels
    if channels > 1:
        found.append(f"{channels} channels, averaged")
    if rate < 16000:
        found.append(f"{rate} Hz, under the 16000 Hz of the metrics")
    clipped = int((np.abs(samples) >= 1.0).sum())
    if clipped > samples.size // 1000:
        found.append(f"{clipped} samples clipped")
    return "; ".join(found)


def write(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write float32 (n,) as 16-bit FLAC (or by suffix: WAV, OGG/Opus), whole or not at all. Raises DiskFull, OSError.

    It is encoded in memory first: of a disk that is full, libsndfile says "System error" and no more.
    """
    kind = {".flac": ("FLAC", "PCM_16"), ".wav": ("WAV", "PCM_16"), ".opus": ("OGG", "OPUS")}[path.suffix]
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format=kind[0], subtype=kind[1])
    write_atomically(path, data.getvalue())


def first_audible(samples: np.ndarray, rate: int, threshold: float = 0.01) -> int | None:
    """Index of the first sample of the first 10 ms frame (hop 1 ms) whose RMS exceeds `threshold`; None if silent.

    Source: the audible-latency rule of coval's benchmarks (DC removed), see docs/protocols.md.
    """
    frame, hop = max(1, rate // 100), max(1, rate // 1000)
    if samples.size == 0:
        return None
    power = np.concatenate([[0.0], np.cumsum((samples - samples.mean()).astype(np.float64) ** 2)])
    starts = np.arange(0, max(1, samples.size - frame + 1), hop)
    ends = np.minimum(starts + frame, samples.size)
    loud = np.flatnonzero((power[ends] - power[starts]) / (ends - starts) > threshold**2)
    return int(starts[loud[0]]) if loud.size else None
