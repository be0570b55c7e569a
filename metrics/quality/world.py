"""Pitch and spectral envelope by WORLD (package pyworld; Morise, Yokomori, Ozawa 2016), of a clip or of a pair.

Pitch: Harvest, refined by StoneMask, a value each 5 ms, 71 to 800 Hz. Envelope: CheapTrick. A pair is compared moment
by moment, so it must be aligned in time: a codec round trip and its recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.metrics.models import MissingModel, one_by_one, short, version
from ttsbench.playback import AUDIBLE
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
STEP = 0.005  # s between frames
DIFFERENCE = 0.1  # seconds the two lengths of a pair may differ
ORDER, WARP = 24, 0.41  # mel-cepstral coefficients, and the all-pass constant that comes near the mel scale at 16 kHz
FEWEST = 10  # voiced frames
CONTOUR_RATE, CONTOUR_HOP, CONTOUR_FRAMES = 22050, 256, 1000  # Hz, samples, frames: TTSDS2 hears the first 11.6 s


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Version of the package, and what is measured."""
    return {"model": "WORLD", "pyworld": version("pyworld"), "what": settings["what"]}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features as function `clip`, `contour_mean` or `pair` gives them, by `settings["what"]`."""
    try:
        import pyworld
    except ImportError as fault:
        raise MissingModel(f"pitch needs pyworld: pip install 'ttsbench[prosody]' ({fault})") from fault

    def measure(request: Request) -> dict[str, float]:
        if settings["what"] == "contour":
            return contour_mean(contour(audio.read_at(request.audio, CONTOUR_RATE, start=request.start), pyworld))
        samples = audio.read_at(request.audio, RATE, start=request.start)
        if settings["what"] == "clip":
            return clip(samples, pyworld)
        if request.reference is None:
            raise UserError("no reference signal")
        clean = audio.read_at(request.reference, RATE, start=request.reference_start)
        if abs(len(samples) - len(clean)) > DIFFERENCE * RATE:
            raise UserError(
                f"{len(samples) / RATE:.2f} s against {len(clean) / RATE:.2f} s: not aligned in time, so no moment of "
                "one belongs to a moment of the other"
            )
        size = min(len(samples), len(clean))
        return pair(clean[:size], samples[:size], pyworld)

    return one_by_one(measure)


def clip(samples: np.ndarray, world: Any) -> dict[str, float]:
    """Of float32 (n,) at 16 kHz: `mean` pitch of the voiced frames in Hz; `range`, semitones from their 5th to their
    95th percentile. UserError where hardly anything is voiced."""
    pitch = _pitch(samples.astype(np.float64), world)[0]
    voiced = pitch[pitch > 0]
    if voiced.size < FEWEST:
        raise UserError(f"{voiced.size * STEP:.2f} s of it are voiced: no pitch can be given")
    low, high = np.quantile(voiced, [0.05, 0.95])
    return {"mean": short(float(voiced.mean())), "range": short(float(12 * np.log2(high / low)))}


def contour(samples: np.ndarray, world: Any) -> np.ndarray:
    """Hz (frames,) of float32 (n,) at 22.05 kHz, 0 where unvoiced, at most 1,000 frames: DIO, refined by StoneMask."""
    wide = samples.astype(np.float64)
    rough, times = world.dio(wide, CONTOUR_RATE, frame_period=1000 * CONTOUR_HOP / CONTOUR_RATE)
    return np.asarray(world.stonemask(wide, rough, times, CONTOUR_RATE)[:CONTOUR_FRAMES])


def through(pitch: np.ndarray) -> np.ndarray:
    """A contour (frames,) drawn straight through what is unvoiced, as TTSDS2 has it; some of it must be voiced."""
    voiced = np.flatnonzero(pitch > 0)
    return np.interp(np.arange(len(pitch)), voiced, pitch[voiced])


def contour_mean(pitch: np.ndarray) -> dict[str, float]:
    """`mean` in Hz of a contour drawn through what is unvoiced. UserError where nothing is voiced."""
    if not (pitch > 0).any():
        raise UserError("nothing of it is voiced: no pitch can be given")
    return {"mean": short(float(through(pitch).mean()))}


def pair(clean: np.ndarray, other: np.ndarray, world: Any) -> dict[str, float]:
    """Of two signals (n,) at 16 kHz: `mcd`, and where both are voiced long enough `correlation` and `cents` of pitch.

    `mcd`: mel-cepstral distortion in dB without the energy, over frames in which `clean` is audible (Kubichek 1993,
    "Mel-cepstral distance measure for objective speech quality assessment"). `correlation`: Pearson's, of
    logarithms; `cents`: root mean square of the difference (100 cents are a semitone); both over frames voiced in both.
    """
    one, two = clean.astype(np.float64), other.astype(np.float64)
    (first, times), (second, _) = _pitch(one, world), _pitch(two, world)
    cepstra = [mel_cepstra(world.cheaptrick(x, f0, times, RATE)) for x, f0 in ((one, first), (two, second))]
    heard = _audible(one, len(times))
    if not heard.any():
        raise UserError("nothing in the recording is audible")
    gaps = ((cepstra[0] - cepstra[1])[heard, 1:] ** 2).sum(axis=1)
    found = {"mcd": short(float(10 / np.log(10) * np.sqrt(2 * gaps).mean()))}
    both = (first > 0) & (second > 0)
    if both.sum() >= FEWEST:
        a, b = np.log2(first[both]), np.log2(second[both])
        found["cents"] = short(float(1200 * np.sqrt(np.mean((a - b) ** 2))))
        if a.std() > 0 and b.std() > 0:
            found["correlation"] = short(float(np.corrcoef(a, b)[0, 1]))
    return found


def _pitch(samples: np.ndarray, world: Any) -> tuple[np.ndarray, np.ndarray]:
    """Hz (frames,), 0 where unvoiced, and the frames' times in seconds."""
    rough, times = world.harvest(samples, RATE, frame_period=1000 * STEP)
    return world.stonemask(samples, rough, times, RATE), times


def _audible(samples: np.ndarray, frames: int) -> np.ndarray:
    """Whether the 10 ms about each frame are audible (frames,)."""
    size, step = RATE // 100, round(STEP * RATE)
    padded = np.pad(samples**2, (size // 2, size + step * frames))
    power = np.cumsum(np.concatenate([[0.0], padded]))
    at = step * np.arange(frames)
    return (power[at + size] - power[at]) / size > AUDIBLE**2


def mel_cepstra(powers: np.ndarray) -> np.ndarray:
    """Power spectra (frames, bins) from 0 Hz to half the rate, to mel-cepstral coefficients (frames, 1 + ORDER).

    The cepstrum of the minimum-phase filter, its frequency axis bent by a first-order all-pass. Source: Oppenheim and
    Johnson 1972, "Discrete representation of signals"; Tokuda et al. 1994, "Mel-generalized cepstral analysis".
    """
    cepstra = np.fft.irfft(np.log(np.maximum(powers, 1e-20)), axis=1)[:, : powers.shape[1]]
    cepstra[:, 0] /= 2
    return cepstra @ _warping(powers.shape[1])


@lru_cache(maxsize=4)
def _warping(size: int) -> np.ndarray:
    """The linear map (size, 1 + ORDER) of cepstra to warped cepstra: column by column the recursion of the all-pass."""
    found = np.zeros((size, 1 + ORDER))
    for index in range(size - 1, -1, -1):
        before = found.copy()
        found[:, 0] = WARP * before[:, 0]
        found[index, 0] += 1
        found[:, 1] = (1 - WARP**2) * before[:, 0] + WARP * before[:, 1]
        for k in range(2, 1 + ORDER):
            found[:, k] = before[:, k - 1] + WARP * (before[:, k] - found[:, k - 1])
    return found
