"""Read, check, write and resample audio. The one place where files become float32 mono samples."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ttsbench.containers import pieces
from ttsbench.pcm import EMPTY, AudioError, UnknownKind
from ttsbench.playback import AUDIBLE
from ttsbench.records import Retry
from ttsbench.store import file_digest as digest
from ttsbench.store import write_atomically
from ttsbench.wav import MAX_SECONDS, RIFFS, Wav

__all__ = [
    "MAX_SECONDS",
    "AudioError",
    "Sound",
    "check",
    "digest",
    "first_audible",
    "load",
    "peculiarities",
    "read",
    "read_at",
    "resample",
    "whole",
    "write",
]

SILENCE = 2.0**-12  # a peak below -72 dBFS carries no speech
LOUDEST = 8.0  # of float samples: above, they are integers by their scale
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")
BLOCK = 1 << 18  # samples that are decoded at a time


@dataclass(frozen=True)
class Sound:
    """A file, decoded to its end: samples (n,) float32, rate in Hz, and what is unusual about it."""

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...] = ()


def read(path: Path | str, start: float = 0.0, stop: float | None = None) -> tuple[np.ndarray, int]:
    """Samples as float32 (n,) in [-1, 1] and the file's rate in Hz. Channels are averaged.

    `start` and `stop` in seconds. Raises AudioError for a missing, empty, unreadable, over-long, non-finite or
    silent file.
    """
    sound = load(path)
    samples = sound.samples[round(start * sound.rate) : None if stop is None else round(stop * sound.rate)]
    if samples.size == 0:
        raise AudioError(f"{path}: nothing is left after the first {start:.2f} s")
    _heard(samples, path)
    return samples, sound.rate


def load(path: Path | str) -> Sound:
    """All that a file holds, whatever its header says of the length; `notes` tell where the two differ.

    Several files in one (joined WAV, MP3, FLAC, chained Ogg) are read one after the other. Raises AudioError as `read`.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    data = path.read_bytes()
    if not data:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    try:
        sound = _wav(data) if data.startswith(RIFFS) and b"WAVE".startswith(data[8:12]) else _pieces(data)
    except soundfile.LibsndfileError as fault:  # its text names an object in memory; error_string is the reason alone
        raise AudioError(f"{path}: not readable as audio ({fault.error_string.rstrip('.')})") from fault
    except (AudioError, RuntimeError) as fault:
        raise AudioError(f"{path}: not readable as audio ({fault})") from fault
    if sound.samples.size == 0:
        raise AudioError(f"{path}: a header without samples")
    if sound.samples.size > MAX_SECONDS * sound.rate:
        seconds = sound.samples.size / sound.rate
        raise AudioError(f"{path}: {seconds:.0f} s long, the limit is {MAX_SECONDS:.0f} s")
    if not np.isfinite(sound.samples).all():
        raise AudioError(f"{path}: {int((~np.isfinite(sound.samples)).sum())} samples are NaN or infinite")
    if np.abs(sound.samples).max() > LOUDEST:
        raise AudioError(f"{path}: {_too_loud(sound.samples)}")
    _heard(sound.samples, path)
    return sound


def _heard(samples: np.ndarray, path: Path | str) -> None:
    if np.abs(samples).max() < SILENCE:
        raise AudioError(f"{path}: silent (peak under -72 dBFS)")


def _wav(data: bytes) -> Sound:
    """RIFF by our own reader; what it does not know (mu-law, ADPCM) by libsndfile."""
    wav = Wav()
    try:
        samples = np.concatenate([wav.feed(data), wav.close()])
    except UnknownKind:
        return _pieces(data)
    assert wav.pcm is not None
    return Sound(samples, wav.pcm.form.rate, tuple(note for note in (*wav.notes, wav.lacking) if note))


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read from the beginning to the end: soundfile's own seek after each read fails where the length is not known."""

    def seekable(self) -> bool:
        return False


def _pieces(data: bytes) -> Sound:
    """Compressed files, each piece decoded to its end and held against what its header promises."""
    found, notes, rates, channels = [], [], [], [1]
    for piece in pieces(data):
        with _Forward(io.BytesIO(piece.data)) as handle:
            rate, blocks = handle.samplerate, [EMPTY]
            while sum(block.size for block in blocks) <= MAX_SECONDS * rate:
                block = handle.read(out=np.empty((BLOCK, handle.channels), np.float32))
                blocks.append(block.mean(axis=1))
                if len(block) == 0:
                    break
            promised = handle.frames if piece.promised is None else piece.promised
            channels.append(handle.channels)
        samples = np.concatenate(blocks)
        found.append(samples)
        rates.append(rate)
        cut = piece.cut
        if not cut and promised - samples.size > rate // 20:
            cut = f"its header promises {promised / rate:.2f} s, {samples.size / rate:.2f} s are there"
        if cut:
            notes.append(f"cut short: {cut}")
    if len(set(rates)) > 1:
        raise AudioError(f"several files in one, of different rates ({', '.join(map(str, rates))} Hz)")
    if max(channels) > 1:
        notes.append(f"{max(channels)} channels, averaged")
    if len(found) > 1:
        notes.append(f"{len(found)} files in one, joined")
    return Sound(np.concatenate(found) if found else EMPTY, rates[0] if rates else 0, tuple(notes))


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
    if samples.size and np.abs(samples).max() > LOUDEST:
        raise AudioError(_too_loud(samples))
    return np.clip(samples, -1.0, 1.0)


def _too_loud(samples: np.ndarray) -> str:
    return f"samples reach {np.abs(samples).max():.0f}: float audio must lie in [-1, 1]; divide by 32768"


def whole(chunks: Iterable[np.ndarray | Retry | str]) -> np.ndarray:
    """The chunks of one utterance as one array (n,); chunks before a Retry are void. Raises AudioError for no audio."""
    kept: list[np.ndarray] = []
    for piece in chunks:
        if not isinstance(piece, str):
            kept = [] if isinstance(piece, Retry) else [*kept, check(piece)]
    if not sum(piece.size for piece in kept):
        raise AudioError("the system gave no audio")
    return np.concatenate(kept)


def peculiarities(samples: np.ndarray, rate: int, notes: Iterable[str] = ()) -> str:
    """What is unusual but usable about audio, after `notes`, in words; "" for nothing."""
    found = list(notes)
    if rate < 16000:
        found.append(f"{rate} Hz, under the 16000 Hz of the metrics")
    peak, clipped = np.abs(samples).max(initial=0.0), int((np.abs(samples) >= 1.0).sum())
    if peak > 1.0:
        found.append(f"{clipped} samples beyond full scale (peak {peak:.2f})")
    elif clipped > samples.size // 1000:
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


def first_audible(samples: np.ndarray, rate: int, threshold: float = AUDIBLE) -> int | None:
    """Index of the first sample of the first 10 ms frame (hop 1 ms) whose RMS exceeds `threshold`; None if silent.

    DC is removed from each frame by itself, so that digital silence before speech with DC is silence.
    Source: the audible-latency rule of coval's benchmarks, see docs/protocols.md.
    """
    frame, hop = max(1, rate // 100), max(1, rate // 1000)
    if samples.size == 0:
        return None
    signal = samples.astype(np.float64)
    power, level = (np.concatenate([[0.0], np.cumsum(values)]) for values in (signal**2, signal))
    starts = np.arange(0, max(1, samples.size - frame + 1), hop)
    ends = np.minimum(starts + frame, samples.size)
    means = (level[ends] - level[starts]) / (ends - starts)
    loud = np.flatnonzero((power[ends] - power[starts]) / (ends - starts) - means**2 > threshold**2)
    return int(starts[loud[0]]) if loud.size else None


def audible_seconds(samples: np.ndarray, rate: int) -> float:
    """From the first to the last audible sample of (n,); 0 where nothing is audible. Rule: `first_audible`."""
    begin, end = (first_audible(side, rate) for side in (samples, samples[::-1]))
    return 0.0 if begin is None or end is None else (len(samples) - begin - end) / rate
