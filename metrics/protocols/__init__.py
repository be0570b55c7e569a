"""Named, versioned protocols: one file each. `MAKERS` maps a name to the function that puts it together."""

from __future__ import annotations

from collections.abc import Callable

from ttsbench.metrics.protocols import embedded, published
from ttsbench.records import Protocol

MAKERS: dict[str, Callable[[], Protocol]] = {
    "embedded": embedded.make,
    "seed-tts-eval": published.seed_tts_eval,
    "f5-tts": published.f5_tts,
    "zipvoice-hubert": published.zipvoice_hubert,
    "valle-continuation": published.valle_continuation,
    "livespeech": published.livespeech,
    "llasa": published.llasa,
    "llasa-emotion": published.llasa_emotion,
    "kalle": published.kalle,
    "whisper-normalised": published.whisper_normalised,
    "open-asr": published.open_asr,
}
