"""F5-TTS's scripts for Seed's lists and LibriSpeech-PC."""

from __future__ import annotations

from ttsbench.metrics.protocols._common import BESIDE, OPENAI, PARAFORMER, explain, utmos, wavlm
from ttsbench.metrics.timing import first_chunk, rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    beam = (("model", "openai-whisper-large-v3"), ("beam", "5"))
    en, zh = {"en": "f5-en"}, {"zh": "f5-zh"}
    only = "this column is for the other language"
    return Protocol(
        name="f5-tts",
        version=2,
        title="F5-TTS: LibriSpeech-PC cross-sentence and Seed-TTS lists",
        explain=explain(
            "Recogniser: en, Whisper large-v3 with a beam of 5; the original uses faster-whisper 0.10.1 in float16 "
            "with temperature fallback over long audio, ours openai-whisper in float32 over one 30 s window, "
            "soxr HQ to 16 kHz (theirs: the library's own). zh: Paraformer-zh.",
            "Headline: mean of utterance rates (theirs as a fraction with 5 decimals). SIM: WavLM large + ECAPA, "
            "output and prompt, torchaudio's sinc to 16 kHz. UTMOS: the same sinc, mean; theirs walks the folder and "
            "scores prompts that lie in it, ours scores outputs only.",
            "Theirs: Seed lists skip a missing output, LibriSpeech stops. " + BESIDE,
            steps=("f5-en", "f5-zh"),
        ),
        measures=(
            wer(OPENAI, en, settings=beam, why_not=only),
            wer(OPENAI, en, "wer-as-published", "WER as published", settings=beam, why_not=only, missing="skipped"),
            wer(PARAFORMER, zh, "cer", "CER (zh)", why_not=only),
            *wavlm(),
            utmos(),
            rtf(),
            first_chunk(),
        ),
        languages=("en", "zh"),
        models=("openai-whisper-large-v3", "paraformer-zh", "wavlm-large-finetune", "utmos22-strong"),
        source="F5-TTS 2ae2c9b (2026-05)",
    )
