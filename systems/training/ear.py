"""Hears a system in training: word error rate by Whisper base and similarity to the prompt by GE2E."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import compare
from ttsbench.records import Sample
from ttsbench.speaking import seed_for
from ttsbench.systems.scaling import verifiers

RATE = 16000
TOKENS = 10  # a second: more than anybody says
BEHIND = 2.0  # seconds of silence that Whisper needs to know that it is over


def hear(system: Any, samples: Sequence[Sample]) -> dict[str, float]:
    """First `score`, wer + 1 - sim, the lower the better; mean word error rate `wer` and similarity to the prompt `sim`
    over `samples`, and the share `failed`.

    A row that fails counts as a word error rate of 1 and a similarity of 0. No row counts as more than 1, since Whisper
    repeats itself without end on some noise. English only. Raises MissingModel where Whisper base is not installed.
    """
    rates, alike, failed = [], [], 0
    for sample in samples:
        said = _said(system, sample)
        failed += said is None
        rate, near = 1.0, 0.0
        if said is not None:
            rate = compare(sample.text, transcribe(said), rules("whisper-en"))[2].rate
            near = verifiers.voice(sample.prompt, RATE)(said) if sample.prompt else 0.0
        rates.append(min(1.0, rate))
        alike.append(max(0.0, near))
    count = max(1, len(samples))
    wer, sim = sum(rates) / count, sum(alike) / count
    return {"score": wer + 1 - sim, "wer": wer, "sim": sim, "failed": failed / count}


def spell(system: Any, samples: Sequence[Sample]) -> dict[str, float]:
    """Mean character error rate `cer` by Whisper base over `samples`, and the share `failed`; English only.

    LiveSpeech's published choice of a checkpoint is by CER (its recogniser was wav2vec 2.0). A row that fails counts as
    1, and no row as more.
    """
    rates, failed = [], 0
    for sample in samples:
        said = _said(system, sample)
        failed += said is None
        heard = "" if said is None else transcribe(said)
        rates.append(min(1.0, compare(sample.text, heard, rules("whisper-en"), "character")[2].rate))
    count = max(1, len(samples))
    return {"cer": sum(rates) / count, "failed": failed / count}


def transcribe(samples: np.ndarray) -> str:
    """What Whisper base hears in float32 (n,) English speech at 16 kHz: greedy, no fallback temperatures, int8."""
    segments, _ = whisper().transcribe(
        samples, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
    )
    return " ".join(segment.text.strip() for segment in segments)


def transcribe_many(waves: list[np.ndarray], language: str) -> list[str]:
    """As `transcribe`, for several recordings of at most 30 s, in any language of Whisper.

    Silence follows each up to the length of the longest and `BEHIND` more, not up to 30 s: several times as fast for
    short recordings. Heard so, Whisper often says a sentence again and again: that is cut (`without_loops`).
    """
    import ctranslate2
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    model = whisper()
    words = Tokenizer(model.hf_tokenizer, multilingual=True, task="transcribe", language=language)
    seconds = min(30.0, max(len(wave) for wave in waves) / RATE + BEHIND)
    size = math.ceil(seconds * RATE / 320) * 320  # the encoder halves frames of 160 samples
    mels = np.stack([model.feature_extractor(np.pad(w[:size], (0, max(0, size - len(w)))), 0) for w in waves])
    found = model.model.generate(
        ctranslate2.StorageView.from_array(np.ascontiguousarray(mels, dtype=np.float32)),
        [[*words.sot_sequence, words.no_timestamps]] * len(waves),
        beam_size=1,
        max_length=min(224, 16 + round(TOKENS * seconds)),
        suppress_blank=True,
        suppress_tokens=list(get_suppressed_tokens(words, [-1])),
    )
    return [without_loops(words.decode(each.sequences_ids[0]).strip()) for each in found]


def without_loops(text: str) -> str:
    """The text up to where it begins to say the same again and again: its end, twice or more, and maybe a part of it.

    What repeats has two words or more (in Mandarin characters), so that "very, very" stays.
    """
    spaced = " " in text
    words = text.split() if spaced else list(text)
    plain = [re.sub(r"\W+", "", word.lower()) for word in words]
    for first in range(len(words)):
        for size in range(2, (len(words) - first) // 2 + 1):
            rest = plain[first + size :]
            wanted = [plain[first + place % size] for place in range(len(rest))]
            if rest[:-1] == wanted[:-1] and wanted[-1].startswith(rest[-1]):  # the last word may be cut off
                return (" " if spaced else "").join(words[: first + size])
    return text


@functools.cache
def whisper() -> Any:
    """The recogniser, loaded once. Raises MissingModel where it is not installed."""
    place = weights.find("faster-whisper-base")
    try:
        from faster_whisper import WhisperModel
    except ImportError as fault:
        raise MissingModel("faster-whisper is not installed: pip install 'ttsbench[judges]'") from fault
    return WhisperModel(str(place), device="cpu", compute_type="int8", cpu_threads=1)


def _said(system: Any, sample: Sample) -> np.ndarray | None:
    """The whole of what the system says, float32 (n,) at 16 kHz; None where it fails or says nothing."""
    try:
        said = audio.whole(system.synthesize(sample, seed_for(0, sample.id)))
        return audio.resample(said, system.card.sample_rate, RATE)
    except Exception:  # a system in training may fail in any way, and training goes on
        return None
