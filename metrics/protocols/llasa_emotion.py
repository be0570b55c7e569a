"""Llasa's emotion similarity on ESD."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import explain
from ttsbench.metrics.sim import sim
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="llasa-emotion",
        version=1,
        title="Llasa: emotion similarity",
        explain=explain(
            "Cosine of emotion2vec+ large vectors (one an utterance) of output and prompt, 16 kHz, soxr HQ. Which size "
            "of the model the paper used is our reading.",
        ),
        measures=(
            sim("speakers.emotion2vec", name="emo-sim", title="Emotion similarity"),
            copied(),
        ),
        models=("emotion2vec-plus-large",),
        source="Llasa (2025)",
    )
