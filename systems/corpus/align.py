"""Forced alignment of an English recording with its text, by pocketsphinx, and pieces cut at its pauses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.systems.text.frontend import pronounce
from ttsbench.systems.text.normalise import PAUSE as MARK
from ttsbench.systems.text.normalise import UnsupportedText, normalise
from ttsbench.systems.text.phones import PAUSE, canonical

RATE = 16000
Marks = list[tuple[str, float]]  # phones and their ends in seconds


@dataclass(frozen=True)
class Aligned:
    """`words`: (word, start, end) in seconds; `phones`: a pause at both ends, each phone with its end."""

    words: tuple[tuple[str, float, float], ...]
    phones: Marks


@functools.lru_cache(maxsize=1)
def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as fault:
        raise UserError("recordings are aligned by pocketsphinx: pip install 'ttsbench[train]'") from fault

    return Decoder(loglevel="FATAL", lm=None, cmn="batch")


def align(samples: np.ndarray, text: str) -> Aligned | None:
    """Words and phones of float32 16 kHz `samples`; None where nothing fits, or the text is not English.

    Numbers are aligned as `normalise` reads them, words that no dictionary holds as `pronounce` does.
    """
    try:
        words = [word for word in normalise(text) if word != MARK]
    except UnsupportedText:
        return None
    decoder = _decoder()
    for word in words:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, " ".join(pronounce(word)).upper(), True)
    if not words:
        return None
    pcm = (samples * 32767).astype(np.int16).tobytes()
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
        found, phones = [], []
        for word in decoder.get_alignment():  # its entries do not outlive the step
            found.append((word.name, word.start / 100, (word.start + word.duration) / 100))
            phones += [(canonical(p.name), p.start / 100, (p.start + p.duration) / 100) for p in word]
    except (RuntimeError, KeyError, TypeError):
        return None
    spoken = [(start, end) for name, start, end in found if name[0] not in "<[+"]
    if len(spoken) != len(words):
        return None
    times = tuple((word, *span) for word, span in zip(words, spoken, strict=True))
    return Aligned(times, without_gaps(phones, len(samples) / RATE))


def without_gaps(phones: list[tuple[str, float, float]], seconds: float) -> Marks:
    """(phone, start, end) to (phone, end): silence that the aligner leaves out becomes a pause, pauses in a row one."""
    marks: Marks = []
    for phone, start, end in [*phones, (PAUSE, seconds, seconds)]:
        last = marks[-1][1] if marks else 0.0
        found = [(PAUSE, start)] if start > last + 0.02 else []
        for name, until in [*found, (phone, end)]:
            if marks and name == PAUSE == marks[-1][0]:
                marks[-1] = (PAUSE, until)
            elif not marks or until > marks[-1][1]:
                marks.append((name, until))
    return marks


def plausible(phones: Marks) -> bool:
    """Whether phones last as long as phones do: 35 to 260 ms in the mean, none above 1 s, not half of them at the
    least that the aligner can give. A text that does not fit its recording is squeezed or stretched somewhere.
    """
    starts = [0.0, *(end for _, end in phones)]
    lengths = [end - start for (phone, end), start in zip(phones, starts, strict=False) if phone != PAUSE]
    if not lengths:
        return False
    short = sum(length < 0.035 for length in lengths) / len(lengths)
    return 0.035 <= sum(lengths) / len(lengths) <= 0.26 and max(lengths) <= 1.0 and short <= 0.5


LONG, PIECE = 5.0, 8.0  # seconds: a longer clip is cut in two if it can be; a longer piece again
LEAST = 1.5  # seconds of a piece
SILENT = 0.12  # seconds of a pause at which one may cut


def cuts(phones: Marks) -> list[float]:
    """Seconds at which a clip is cut: at pauses, so that a prompt and a target of one speaker come of it.

    The longest pause is taken that leaves `LEAST` on both sides, the middle one among equals.
    """
    starts = [0.0, *(end for _, end in phones)]
    pauses = [(s, e) for (p, e), s in zip(phones, starts, strict=False) if p == PAUSE and e - s >= SILENT]

    def between(first: float, last: float, most: float) -> list[float]:
        if last - first <= most:
            return []
        inside = [(s, e) for s, e in pauses if s - first >= LEAST and last - e >= LEAST]
        if not inside:
            return []
        start, end = max(inside, key=lambda p: (round(p[1] - p[0], 1), -abs(p[0] + p[1] - first - last)))
        middle = (start + end) / 2
        return [*between(first, middle, PIECE), middle, *between(middle, last, PIECE)]

    return between(0.0, phones[-1][1], LONG) if phones else []


def part(whole: Aligned, first: float, last: float) -> Aligned:
    """What is said between two times, counted from the first of them; cuts lie inside pauses."""
    words = tuple((w, s - first, e - first) for w, s, e in whole.words if first <= (s + e) / 2 < last)
    phones, start = [], 0.0
    for phone, end in whole.phones:
        if end > first and start < last:
            phones.append((phone, min(end, last) - first))
        start = end
    return Aligned(words, phones)
