"""Whisper of any size by CTranslate2 (faster-whisper): int8 on the CPU, float16 on CUDA, in batches.

Two ways, by the setting `decoding`:

- "windows" (the default): at temperature 0, language and task forced, without timestamps. What is longer than 30 s is
  cut at the quietest tenth of a second of each window's last 5 s. A transcript does not depend on its batch.
- "fallback": faster-whisper's own `transcribe`, one file at a time: timestamps, the text so far as context, and higher
  temperatures where a text repeats itself or is improbable. Sampling is seeded anew for each file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, short, version
from ttsbench.metrics.recognisers.batches import in_batches
from ttsbench.metrics.recognisers.guards import WINDOW, flags
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np

BATCH = 8
RATE = 16000
LENGTH = round(WINDOW * RATE)  # samples of a window
SEARCHED = 5 * RATE  # samples before the end of a window in which the cut is looked for
QUIET = RATE // 10
NEVER = 1e9  # seconds: nothing is left unheard
MOST = 448  # tokens


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package versions and settings; the type of the arithmetic depends on the device and is not named."""
    packages = f"faster-whisper {version('faster-whisper')}, ctranslate2 {version('ctranslate2')}"
    return {**weights.identity(settings["model"]), "version": packages, "search": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `text`, `flags`, `logprob` and `no_speech`.

    Settings: model (a name of the weights table, such as "faster-whisper-base"), language, beam (1 is greedy),
    decoding, resampling, compute ("int8", "float16", "float32"; by default the fastest that the device is meant for).
    """
    place = weights.find(settings["model"])
    try:
        from faster_whisper import WhisperModel
        from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError as fault:
        raise MissingModel(f"Whisper needs faster-whisper: pip install 'ttsbench[judges]' ({fault})") from fault

    kind, _, index = device.partition(":")
    model = WhisperModel(
        str(place),
        device=kind,
        device_index=int(index or 0),
        compute_type=settings.get("compute", "int8" if kind == "cpu" else "float16"),
        cpu_threads=int(os.environ.get("OMP_NUM_THREADS", "1")),
        local_files_only=True,
    )
    # the weights say how many mel bands they hear (large-v3: 128); the library believes a file that may not be here
    model.feature_extractor = FeatureExtractor(feature_size=model.model.n_mels)
    language, beam = settings.get("language", "en"), int(settings.get("beam", "1"))
    how = settings.get("decoding", "windows")
    recognise = {"windows": _windows, "fallback": _fallback}[how](model, language, beam)
    return in_batches(recognise, RATE, settings.get("resampling", "soxr"))


def _windows(model: Any, language: str, beam: int) -> Callable[[list[np.ndarray]], list[dict[str, Any]]]:
    import ctranslate2
    import numpy as np
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    words = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    prompt = [*words.sot_sequence, words.no_timestamps]
    suppress = list(get_suppressed_tokens(words, [-1]))  # type: ignore[arg-type]

    def hear(pieces: list[np.ndarray]) -> list[tuple[str, float, float]]:
        """Text, mean log probability and probability of no speech of each piece of at most 30 s."""
        mels = np.stack([model.feature_extractor(np.pad(piece, (0, LENGTH - len(piece))), 0) for piece in pieces])
        found = model.model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mels, dtype=np.float32)),
            [prompt] * len(pieces),
            beam_size=beam,
            max_length=MOST,
            suppress_blank=True,
            suppress_tokens=suppress,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [_described(words, each) for each in found]

    def recognise(waves: list[np.ndarray]) -> list[dict[str, Any]]:
        cut = [pieces(wave) for wave in waves]
        flat = [piece for each in cut for piece in each]
        heard = [row for at in range(0, len(flat), BATCH) for row in hear(flat[at : at + BATCH])]
        rows = iter(heard)
        return [_joined([next(rows) for _ in each], len(wave)) for each, wave in zip(cut, waves, strict=True)]

    return recognise


def pieces(wave: np.ndarray) -> list[np.ndarray]:
    """A waveform (samples,) at 16 kHz as pieces of at most 30 s, cut where it is quietest near the end of each."""
    import numpy as np

    found = []
    while len(wave) > LENGTH:
        tail = wave[LENGTH - SEARCHED : LENGTH].astype(np.float64).reshape(-1, QUIET)
        at = LENGTH - SEARCHED + int((tail**2).sum(axis=1).argmin()) * QUIET + QUIET // 2
        found.append(wave[:at])
        wave = wave[at:]
    return [*found, wave]


def _described(words: Any, found: Any) -> tuple[str, float, float]:
    tokens = found.sequences_ids[0]
    logprob = found.scores[0] * len(tokens) / (len(tokens) + 1)  # the search divides by the tokens without the end
    return words.decode(tokens).strip(), logprob, found.no_speech_prob


def _joined(heard: list[tuple[str, float, float]], samples: int) -> dict[str, Any]:
    """The pieces of one file as a feature value; its log probability is the lowest, its no-speech the highest."""
    text = " ".join(text for text, _, _ in heard if text)
    logprob, no_speech = min(value for _, value, _ in heard), max(value for _, _, value in heard)
    found = sorted({flag for each, low, quiet in heard for flag in flags(each, samples / RATE, NEVER, quiet, low)})
    return {"text": text, "flags": found, "logprob": short(logprob), "no_speech": short(no_speech)}


def _fallback(model: Any, language: str, beam: int) -> Callable[[list[np.ndarray]], list[dict[str, Any]]]:
    import ctranslate2

    def recognise(waves: list[np.ndarray]) -> list[dict[str, Any]]:
        return [one(wave) for wave in waves]

    def one(wave: np.ndarray) -> dict[str, Any]:
        ctranslate2.set_random_seed(0)
        segments = list(model.transcribe(wave, language=language, beam_size=beam)[0])
        heard = [(each.text.strip(), each.avg_logprob, each.no_speech_prob) for each in segments]
        return _joined(heard or [("", 0.0, 1.0)], len(wave))

    return recognise
