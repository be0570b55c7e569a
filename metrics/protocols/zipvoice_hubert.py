"""ZipVoice's HuBERT script for LibriSpeech-PC."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import CTC, HUBERT, OURS, explain, utmos, wavlm
from ttsbench.metrics.timing import rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="zipvoice-hubert",
        version=1,
        title="ZipVoice: LibriSpeech-PC with HuBERT",
        explain=explain(
            "Recogniser: HuBERT large (LibriSpeech 960 h), CTC argmax, no language model, one file at a time, float32 "
            "(theirs allows TF32). Resampling to 16 kHz: soxr HQ everywhere, as librosa's.",
            "Headline: corpus WER; the mean stands beside it. SIM: WavLM large + ECAPA, first 120 s. UTMOS at 16 kHz.",
            "Theirs: a missing output stops the run. " + OURS,
            steps=("zipvoice-hubert",),
        ),
        measures=(
            wer(CTC, {"en": "zipvoice-hubert"}, settings=HUBERT, shown="corpus"),
            *wavlm("soxr"),
            utmos("soxr"),
            rtf(),
            copied(),
        ),
        languages=("en",),
        models=("hubert-large-ls960-ft", "wavlm-large-finetune", "utmos22-strong"),
        source="ZipVoice 2f7326f (2025-12)",
    )
