"""ByteDance's seed-tts-eval, all three lists."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import SEED_LINES, SEED_MODELS, explain, seed_columns, wavlm
from ttsbench.metrics.timing import first_chunk, length_ratio, rtf
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="seed-tts-eval",
        version=1,
        title="Seed-TTS test-en, test-zh, test-hard",
        explain=explain(
            *SEED_LINES,
            "Bugs of the original that are not repeated: from a stereo output it takes sample 0 of each channel as the "
            "signal (here channels are averaged); its table divides substitutions by a count with empty pieces (kept "
            "in each row's detail as `pieces`). Simplification is by OpenCC, not zhconv, which is GPL.",
            steps=("seed-en", "seed-zh"),
        ),
        measures=(
            *seed_columns("seed-en", "seed-zh"),
            *wavlm(),
            rtf(),
            first_chunk(),
            length_ratio(),
            copied(),
        ),
        languages=("en", "zh"),
        models=SEED_MODELS,
        source="seed-tts-eval 752f429 (2024-06)",
    )
