"""Forced alignment of a recording with its text, by pocketsphinx."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.phones import canonical


@functools.lru_cache(maxsize=1)
def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as fault:
        raise UserError("recordings are aligned by pocketsphinx: pip install 'ttsbench[train]'") from fault

    return Decoder(loglevel="FATAL", lm=None, cmn="batch")


def align(samples: np.ndarray, text: str) -> list[tuple[str, float]]:
    """Phones and their ends in seconds of float32 16 kHz `samples`; [] where a word is unknown or nothing fits."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("’", "'"))
    if not words or re.search(r"[0-9]", text) or any(word not in dictionary() for word in words):
        return []
    decoder, pcm = _decoder(), (samples * 32767).astype(np.int16).tobytes()
    try:
        for step in range(2):  # words first, then states and phones inside the words
            if step == 0:
                decoder.set_align_text(" ".join(words))
            else:
                decoder.set_alignment()
            decoder.reinit_feat()  # or the ends depend on what was aligned before
            decoder.start_utt()
            decoder.process_raw(pcm, full_utt=True)
            decoder.end_utt()
        found = decoder.get_alignment()
        phones = [(canonical(p.name), p.start / 100, (p.start + p.duration) / 100) for word in found for p in word]
    except (RuntimeError, KeyError, TypeError):
        return []
    return _without_gaps(phones, len(samples) / 16000)


def _without_gaps(phones: list[tuple[str, float, float]], seconds: float) -> list[tuple[str, float]]:
    """(phone, start, end) to (phone, end): silence that the aligner leaves out becomes a pause, pauses in a row one."""
    marks: list[tuple[str, float]] = []
    for phone, start, end in [*phones, ("pau", seconds, seconds)]:
        last = marks[-1][1] if marks else 0.0
        found = [("pau", start)] if start > last + 0.02 else []
        for name, until in [*found, (phone, end)]:
            if marks and name == "pau" == marks[-1][0]:
                marks[-1] = ("pau", until)
            elif not marks or until > marks[-1][1]:
                marks.append((name, until))
    return marks
