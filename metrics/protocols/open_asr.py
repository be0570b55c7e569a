"""The Open ASR leaderboard's normalisation, on synthesised speech."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import LARGE_V3, OURS, WHISPER, explain
from ttsbench.metrics.timing import rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="open-asr",
        version=1,
        title="Open ASR leaderboard's normalisation (English)",
        explain=explain(
            "Recogniser: Whisper large-v3 (transformers), as in whisper-normalised. Resampling to "
            "16 kHz: soxr HQ (their sets are at 16 kHz). Headline: corpus WER.",
            "Rows whose text is empty after normalisation are removed, as theirs.",
            "A compound written in one word or in several is no error (by kaldialign, as theirs; about 0.35 points). "
            "Their table of names makes one of many: a system that says Erik for Eric is not charged. " + OURS,
            steps=("open-asr",),
        ),
        measures=(
            wer(WHISPER, {"en": "open-asr"}, settings=LARGE_V3, shown="corpus", empty="removed", merged=True),
            rtf(),
            copied(),
        ),
        languages=("en",),
        models=("whisper-large-v3",),
        source="open_asr_leaderboard d1e99b2 (2026-08)",
    )
