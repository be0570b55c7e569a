"""F5-TTS's scripts for Seed's lists and LibriSpeech-PC."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import BESIDE, FASTER, PARAFORMER, explain, utmos, wavlm
from ttsbench.metrics.timing import first_chunk, rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    beam = (("model", "faster-whisper-large-v3"), ("beam", "5"), ("decoding", "fallback"))
    en, zh = {"en": "f5-en"}, {"zh": "f5-zh"}
    only = "this column is for the other language"
    return Protocol(
        name="f5-tts",
        version=3,
        title="F5-TTS: LibriSpeech-PC cross-sentence and Seed-TTS lists",
        explain=explain(
            "Recogniser: en, Whisper large-v3 by faster-whisper's own transcribe with a beam of 5 and temperature "
            "fallback, float16 on CUDA (theirs: version 0.10.1), int8 on the CPU; sampling is seeded anew for each "
            "file. soxr HQ to 16 kHz (theirs: the library's own). zh: Paraformer-zh.",
            "Headline: mean of utterance rates (theirs as a fraction with 5 decimals). SIM: WavLM large + ECAPA, "
            "output and prompt, torchaudio's sinc to 16 kHz. UTMOS: the same sinc, mean; theirs walks the folder and "
            "scores prompts that lie in it, ours scores outputs only.",
            "Theirs: Seed lists skip a missing output, LibriSpeech stops. " + BESIDE,
            steps=("f5-en", "f5-zh"),
        ),
        measures=(
            wer(FASTER, en, settings=beam, why_not=only),
            wer(FASTER, en, "wer-as-published", "WER as published", settings=beam, why_not=only, missing="skipped"),
            wer(PARAFORMER, zh, "cer", "CER (zh)", why_not=only),
            *wavlm(),
            utmos(),
            rtf(),
            first_chunk(),
            copied(),
        ),
        languages=("en", "zh"),
        models=("faster-whisper-large-v3", "paraformer-zh", "wavlm-large-finetune", "utmos22-strong"),
        source="F5-TTS 2ae2c9b (2026-05)",
    )
