"""VALL-E's continuation task as evaluate-zero-shot-tts computes it."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import CTC, HUBERT, OURS, SINC, explain, wavlm
from ttsbench.metrics.timing import rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    rule, hubert = {"en": "keonlee"}, (*HUBERT, *SINC)
    return Protocol(
        name="valle-continuation",
        version=2,
        title="VALL-E: LibriSpeech 4 to 10 s, continuation of 3 s (also cross-sentence)",
        explain=explain(
            "Recogniser: HuBERT large, CTC argmax. Headline: corpus WER and CER, spaces not counted in CER.",
            "The prompt is cut off the output before SIM, and before recognition where its text is known; where only "
            "the text of prompt and continuation together is known, the whole output is recognised.",
            "SIM-o: the original prompt. SIM-r: the same prompt after the system's own codec; not applicable without "
            "one. WavLM large + ECAPA. Resampling to 16 kHz, for all models: torchaudio's sinc from each file's own "
            "rate (theirs: from the first file's).",
            "Theirs: mean and deviation over 3 trials of prompts; here one run is one trial. " + OURS,
            "Published ground truth: WER 2.15, CER 0.61, SIM-o 0.7395.",
            steps=("keonlee",),
        ),
        measures=(
            wer(CTC, rule, settings=hubert, shown="corpus"),
            wer(CTC, rule, "cer", "CER", "character", hubert, "corpus"),
            *wavlm(),
            rtf(),
            copied(),
        ),
        languages=("en",),
        models=("hubert-large-ls960-ft", "wavlm-large-finetune"),
        source="evaluate-zero-shot-tts 6cbbe8f (2024-09)",
    )
