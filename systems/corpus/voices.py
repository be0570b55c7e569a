"""Voices made with free synthesisers (flite, espeak-ng): for the embedded test sets and for training speech.

A voice is a synthesiser's own voice warped in five ways. Formants and pitch move independently: flite is asked for the
f0 that becomes the wanted one when its output is played faster or slower, and for the durations that keep the tempo.
Test-only voices never reach training: `random_voice` keeps `MARGIN` from each of them.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from ttsbench.audio import resample
from ttsbench.errors import UserError

RATE = 16000
LEVEL = 0.07  # RMS of every utterance, about -23 dB
MARGIN = 1.0  # see `distance`
LIMIT = 5000  # characters in one call; the synthesisers slow down and time out far above it


class VoiceError(UserError):
    """A synthesiser is missing or could not speak; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Voice:
    """`f0` is the median pitch in Hz; `formant` multiplies every resonance; `tempo` > 1 is faster; `spread` scales how
    far pitch moves (flite only); `tilt` in [-0.5, 0.5] is the coefficient of y[n] = x[n] + tilt x[n-1], < 0 brighter.
    """

    name: str
    engine: Literal["flite", "espeak-ng"]
    base: str
    f0: float
    formant: float = 1.0
    tempo: float = 1.0
    spread: float = 1.0
    tilt: float = 0.0
    test_only: bool = False


# f0 in Hz: lowest and highest in training; the synthesiser's own standard deviation of f0
_BASES = {
    "slt": (135.0, 235.0, 25.0),
    "rms": (86.0, 123.0, 15.0),
    "awb": (92.0, 190.0, 18.0),
    "kal16": (80.0, 135.0, 12.0),
}
_FORMANTS = (0.88, 1.14)
_FIXED = {"rms": 102.5}  # flite's rms takes no f0 settings, so its f0 is this many Hz times `formant`

VOICES: tuple[Voice, ...] = (
    Voice("anna", "flite", "slt", 168.0),
    Voice("beth", "flite", "slt", 215.0, 1.06, 1.0),
    Voice("carl", "flite", "rms", 102.5),
    Voice("dean", "flite", "rms", 121.0, 1.18, 0.95),
    Voice("evan", "flite", "awb", 125.0),
    Voice("finn", "flite", "awb", 110.0, 0.93, 1.0, 1.2),
    Voice("gary", "flite", "kal16", 105.0, 1.0, 0.95),
    Voice("hugh", "espeak-ng", "en-us", 110.0, 1.0, 0.95),
    Voice("iris", "flite", "slt", 176.0, 0.94, 0.96, 1.2, 0.0, True),
    Voice("judy", "flite", "slt", 206.0, 0.97, 0.95, 1.0, -0.1, True),
    Voice("kate", "flite", "slt", 148.0, 0.96, 0.95, 1.0, 0.1, True),
    Voice("liam", "flite", "rms", 94.3, 0.92, 0.98, 1.0, 0.1, True),
    Voice("mark", "flite", "rms", 111.7, 1.09, 1.0, 1.0, -0.1, True),
    Voice("nick", "flite", "awb", 166.0, 1.07, 0.98, 1.0, 0.0, True),
    Voice("owen", "flite", "awb", 142.0, 0.97, 0.95, 1.3, 0.15, True),
    Voice("paul", "flite", "awb", 104.0, 1.03, 1.0, 1.2, -0.15, True),
)


def voice(name: str) -> Voice:
    """The named voice of `VOICES`; ValueError lists the names."""
    for known in VOICES:
        if known.name == name:
            return known
    raise UserError(f"no voice is called {name!r}; there are {', '.join(v.name for v in VOICES)}")


def distance(one: Voice, two: Voice) -> float:
    """How far two voices are apart: 1 is two semitones of pitch or one of formants; infinite between speakers."""
    if (one.engine, one.base) != (two.engine, two.base):
        return math.inf
    return math.hypot(6 * math.log2(one.f0 / two.f0), 12 * math.log2(one.formant / two.formant))


def random_voice(rng: np.random.Generator, name: str = "random") -> Voice:
    """A flite voice for training, at least `MARGIN` from every test-only voice."""
    bases = tuple(_BASES)
    tested = [v for v in VOICES if v.test_only]
    while True:
        base = bases[rng.choice(len(bases), p=[0.32, 0.3, 0.3, 0.08])]
        low, high, _ = _BASES[base]
        f0 = float(low * (high / low) ** rng.random())
        formant = f0 / _FIXED[base] if base in _FIXED else float(rng.uniform(*_FORMANTS))
        candidate = Voice(
            name,
            "flite",
            base,
            f0=f0,
            formant=formant,
            tempo=float(rng.uniform(0.88, 1.12)),
            spread=float(rng.uniform(0.7, 1.5)),
            tilt=float(rng.uniform(-0.25, 0.25)),
        )
        if all(distance(candidate, v) >= MARGIN for v in tested):
            return candidate


def speak(text: str, voice: Voice) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Float32 (n,) at 16 kHz, and flite's phones as (phone, end in seconds); espeak-ng gives no phones.

    The text reaches the synthesiser through a file, never through a shell or the argument list. Raises VoiceError.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not text:
        raise VoiceError(f"voice {voice.name}: there is nothing to say (the text is empty)")
    if len(text) > LIMIT:
        raise VoiceError(f"voice {voice.name}: {len(text)} characters at once, the limit is {LIMIT}: split the text")
    with tempfile.TemporaryDirectory(prefix="ttsbench-voice-") as folder:
        source, target = Path(folder) / "text.txt", Path(folder) / "speech.wav"
        source.write_text(text + "\n", encoding="utf-8")
        arguments = _flite(voice, source, target) if voice.engine == "flite" else _espeak(voice, source, target)
        said = _call(arguments, voice)
        try:
            samples, rate = soundfile.read(target, dtype="float32")
        except (soundfile.SoundFileError, RuntimeError) as fault:
            raise VoiceError(f"voice {voice.name}: {voice.engine} wrote no audio for {text[:60]!r}") from fault
    if samples.size < rate // 20:
        raise VoiceError(f"voice {voice.name}: {voice.engine} had nothing to pronounce in {text[:60]!r}")
    # Read as if recorded at rate * formant: resonances move by `formant`, time shrinks by it.
    samples = resample(np.ascontiguousarray(samples), round(rate * voice.formant), RATE)
    samples = samples + voice.tilt * np.concatenate([np.zeros(1, np.float32), samples[:-1]])
    samples = samples * (LEVEL / max(1e-6, math.sqrt(float(np.mean(samples**2)))))
    samples = (samples * min(1.0, 0.95 / max(1e-6, float(np.abs(samples).max())))).astype(np.float32)
    actual = round(rate * voice.formant) / rate
    if voice.engine != "flite":
        return samples, []
    seconds = len(samples) / RATE  # kal16 counts 0.1 s of closing pause that it does not write
    return samples, [(phone, min(end, seconds)) for phone, end in _phones(said, actual)]


def _flite(voice: Voice, source: Path, target: Path) -> list[str]:
    settings = {
        "int_f0_target_mean": voice.f0 / voice.formant,
        "int_f0_target_stddev": _BASES[voice.base][2] * voice.spread / voice.formant,
        "duration_stretch": voice.formant / voice.tempo,
    }
    arguments = ["flite", "-voice", voice.base, "-psdur"]
    for key, value in settings.items():
        arguments += ["--setf", f"{key}={value:.4f}"]
    return [*arguments, "-f", str(source), "-o", str(target)]


def _espeak(voice: Voice, source: Path, target: Path) -> list[str]:
    # espeak's pitch 0..99 runs close to one octave around 110 Hz (measured on en-us); speed is in words a minute
    pitch = min(99, max(0, round(50 + 50 * math.log2(voice.f0 / voice.formant / 110.0))))
    speed = min(400, max(80, round(165 * voice.tempo / voice.formant)))
    return ["espeak-ng", "-v", voice.base, "-p", str(pitch), "-s", str(speed), "-f", str(source), "-w", str(target)]


def _call(arguments: list[str], voice: Voice) -> str:
    if shutil.which(arguments[0]) is None:
        raise VoiceError(f"voice {voice.name} needs {arguments[0]}: install it (Debian: apt install {arguments[0]})")
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    except subprocess.TimeoutExpired as late:
        raise VoiceError(f"voice {voice.name}: {arguments[0]} did not finish in 120 s") from late
    if done.returncode != 0:
        raise VoiceError(f"voice {voice.name}: {arguments[0]} failed ({done.returncode}): {done.stderr.strip()[:200]}")
    return done.stdout


def _phones(said: str, faster: float) -> list[tuple[str, float]]:
    """flite's `-psdur` line, 'pau:0.184 dh:0.236 ...', in seconds of the warped audio.

    flite counts every sentence of a text from zero, so ends that fall back are moved on by what came before.
    """
    phones, before, last = [], 0.0, 0.0
    for mark in said.split():
        phone, _, end = mark.rpartition(":")
        try:
            seconds = float(end)
        except ValueError:
            continue
        if seconds < last:
            before += last
        last = seconds
        phones.append((phone, (before + seconds) / faster))
    return phones
