"""KALL-E's tables: Seed's lists without the hard cases, and the codec table."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.protocols._common import SEED_LINES, SEED_MODELS, explain, seed_columns, utmos, wavlm
from ttsbench.metrics.timing import rtf
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="kalle",
        version=2,
        title="KALL-E: Seed-TTS test-zh and test-en, codec table",
        explain=explain(
            *SEED_LINES,
            "Codec table (task resynthesis): STOI, PESQ wb and nb, UTMOS; its SPK-SIM stands in column SIM-o. "
            "Resampling: UTMOS torchaudio's sinc, PESQ and STOI soxr HQ.",
            steps=("seed-en", "seed-zh"),
        ),
        measures=(
            *seed_columns("seed-en", "seed-zh"),
            *wavlm(),
            utmos(),
            *(intrusive(key) for key in ("stoi", "wb", "nb")),
            rtf(),
            copied(),
        ),
        languages=("en", "zh"),
        models=(*SEED_MODELS, "utmos22-strong"),
        source="KALL-E (2025)",
    )
