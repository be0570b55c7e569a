"""Forced alignment of a recording with its text, by pocketsphinx, and pieces cut at its pauses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.systems.corpus.sounds import mandarin_sounds, syllables_of
from ttsbench.systems.text.frontend import in_both, pronounce
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


def align(samples: np.ndarray, text: str, language: str = "en") -> Aligned | None:
    """Words and phones of float32 16 kHz `samples`; None where nothing fits, or the text is in another language.

    English: numbers are aligned as `normalise` reads them, words that no dictionary holds as `pronounce` does.
    Mandarin: words are syllables, and the English models are asked for the sounds nearest to theirs (`sounds`).
    """
    if language == "zh":
        return _mandarin(samples, text)
    try:
        words = [word for word in normalise(text) if word != MARK]
    except UnsupportedText:
        return None
    for word in words:
        if _decoder().lookup_word(word) is None:
            _decoder().add_word(word, " ".join(pronounce(word)).upper(), True)
    found = _forced(samples, words)
    if found is None:
        return None
    try:
        phones = [(canonical(name), start, end) for word in found for name, start, end in word.phones]
    except KeyError:
        return None
    spoken = [word for word in found if word.said]
    times = tuple((word, w.start, w.end) for word, w in zip(words, spoken, strict=True))
    return Aligned(times, without_gaps(phones, len(samples) / RATE))


def _mandarin(samples: np.ndarray, text: str) -> Aligned | None:
    syllables = syllables_of(in_both(text))
    if syllables is None:
        return None
    names = []
    for syllable in syllables:
        sounds = [mandarin_sounds(phone, syllable[0]) for phone in syllable]
        names.append("-".join(sounds).replace(" ", "-").lower() + "-zh")
        if _decoder().lookup_word(names[-1]) is None:
            _decoder().add_word(names[-1], " ".join(sounds), True)
    found = _forced(samples, names)
    if found is None:
        return None
    phones, times, waiting = [], [], list(syllables)
    for word in found:
        if not word.said:
            phones += [(PAUSE, start, end) for _, start, end in word.phones]
            continue
        syllable = waiting.pop(0)
        first = len(mandarin_sounds(syllable[0], syllable[0]).split()) if len(syllable) == 2 else 0
        if first:
            phones.append((syllable[0], word.start, word.phones[first - 1][2]))
        phones.append((syllable[-1], word.phones[first][1], word.end))
        times.append(("".join(syllable).replace("-", ""), word.start, word.end))
    return Aligned(tuple(times), without_gaps(phones, len(samples) / RATE))


@dataclass(frozen=True)
class _Word:
    """A word as the decoder places it, seconds; not `said`: silence or noise."""

    said: bool
    start: float
    end: float
    phones: list[tuple[str, float, float]]


def _forced(samples: np.ndarray, words: list[str]) -> list[_Word] | None:
    """`words` of the decoder's dictionary placed in the recording, and the silence between; None where none fits."""
    decoder = _decoder()
    if not words:
        return None
    pcm = (samples * 32767).astype(np.int16).tobytes()
    found = []
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
        for word in decoder.get_alignment():  # its entries do not outlive the step
            phones = [(p.name, p.start / 100, (p.start + p.duration) / 100) for p in word]
            found.append(_Word(word.name[0] not in "<[+", word.start / 100, (word.start + word.duration) / 100, phones))
    except (RuntimeError, TypeError):
        return None
    return found if sum(word.said for word in found) == len(words) else None


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
