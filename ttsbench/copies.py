"""Whether an output is a recording that the test set holds already: a leak, or a mistake in a list of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ttsbench import audio
from ttsbench.records import COPY, Sample

STEP = 1.5 / 2**15  # how far samples may lie apart that were rounded to 16 bits once more


def copy_note(sample: Sample, samples: np.ndarray, rate: int) -> str:
    """The note on an output (n,) in [-1, 1] that is the sample's recording or prompt, sample by sample; else "".

    In a continuation the output begins with the prompt; then only the whole is compared.
    """
    for name, path in (("recording", sample.truth), ("prompt", sample.prompt)):
        if path is not None and same(samples, rate, path):
            return f"{COPY}{name}"
    return ""


def same(samples: np.ndarray, rate: int, path: Path) -> bool:
    """Whether a file holds these samples at this rate. Its header is read first, the audio only where lengths agree."""
    try:
        told = soundfile.info(str(path))
        if told.samplerate != rate or abs(told.frames - len(samples)) > 0:
            return False
        other, _ = audio.read(path)
    except (OSError, soundfile.LibsndfileError, audio.AudioError):
        return False
    return len(other) == len(samples) and float(np.abs(other - samples).max(initial=0.0)) <= STEP
