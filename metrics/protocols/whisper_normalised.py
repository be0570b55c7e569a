"""Whisper large-v3 with Whisper's own normalisers, as VERSA, EmergentTTS-Eval and many papers report."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import LARGE_V3, OURS, WHISPER, explain
from ttsbench.metrics.timing import rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol

LANGUAGES = ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh")


def make() -> Protocol:
    """Put the protocol together."""
    words = {"en": "whisper-en"} | {language: "whisper-basic" for language in LANGUAGES if language not in ("ja", "zh")}
    letters = words | {"zh": "plain-zh", "ja": "plain-ja"}
    return Protocol(
        name="whisper-normalised",
        version=2,
        title="Whisper large-v3 with Whisper's normalisers",
        explain=explain(
            "Recogniser: Whisper large-v3 (transformers), one 30 s window, greedy, language forced, float32. "
            "Resampling to 16 kHz: soxr HQ, as librosa's.",
            "English by Whisper's English normaliser, other languages by its basic one; Chinese and Japanese have CER "
            "only, split in characters, Chinese simplified on both sides. Headline: corpus rate. VERSA sums edit "
            "counts and skips failed rows; "
            "EmergentTTS-Eval takes the mean and divides by zero on an empty text. " + OURS,
            steps=("whisper-en", "whisper-basic", "plain-zh", "plain-ja"),
        ),
        measures=(
            wer(WHISPER, words, settings=LARGE_V3, shown="corpus", why_not="it has no words to count, see CER"),
            wer(WHISPER, letters, "cer", "CER", "character", LARGE_V3, "corpus"),
            rtf(),
            copied(),
        ),
        languages=("en", *LANGUAGES),
        models=("whisper-large-v3",),
        source="VERSA c398480, EmergentTTS-Eval 5764ace",
    )
