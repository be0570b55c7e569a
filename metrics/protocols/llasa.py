"""Llasa's tables: Seed's lists, LibriSpeech continuation, codec round trips, emotion similarity."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.protocols._common import (
    CTC,
    HUBERT,
    OURS,
    SEED_MODELS,
    explain,
    seed_columns,
    utmos,
    wavlm,
)
from ttsbench.metrics.timing import rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="llasa",
        version=2,
        title="Llasa: Seed-TTS lists, LibriSpeech continuation, codec table",
        explain=explain(
            "Seed-TTS lists: as protocol seed-tts-eval. Continuation (LibriSpeech test-clean, 4 to 10 s, first 3 s as "
            "prompt): WER-H by HuBERT large, SIM-o and SIM-r with the prompt cut off.",
            "Codec table (task resynthesis, LibriSpeech test-clean): WER-H, STOI, PESQ wb and nb, UTMOS, and SPK-SIM, "
            "which stands in column SIM-o: there it compares with the original recording.",
            "Resampling to 16 kHz: Whisper SciPy's FFT, SIM and UTMOS torchaudio's sinc, as protocol seed-tts-eval; "
            "WER-H, PESQ and STOI soxr HQ (their sets are at 16 kHz).",
            "Emotion similarity is a protocol of its own, llasa-emotion. " + OURS,
            steps=("seed-en", "seed-zh", "zipvoice-hubert"),
        ),
        measures=(
            *seed_columns("seed-en", "seed-zh"),
            wer(CTC, {"en": "zipvoice-hubert"}, "wer-h", "WER-H", "word", HUBERT),
            *wavlm(),
            utmos(),
            *(intrusive(key) for key in ("stoi", "wb", "nb")),
            rtf(),
            copied(),
        ),
        languages=("en", "zh"),
        models=(*SEED_MODELS, "hubert-large-ls960-ft", "utmos22-strong"),
        source="Llasa (2025)",
    )
