"""Real people for the corpus: checked by recogniser and aligner, cut at pauses, one warp a speaker."""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Iterator

import numpy as np
from rapidfuzz.distance import Levenshtein

from ttsbench.audio import AudioError, read_at, resample
from ttsbench.systems.corpus.align import Aligned, align, cuts, part, plausible
from ttsbench.systems.corpus.clips import Clip
from ttsbench.systems.corpus.natural import plain
from ttsbench.systems.corpus.shards import Dropped, Spoken
from ttsbench.systems.text.frontend import in_both
from ttsbench.systems.text.normalise import is_chinese
from ttsbench.systems.text.phones import PAUSE

RATE = 16000
MOST_ERRORS = {"learners": 0.35}  # share of phones that may be heard differently; the others:
USUAL_ERRORS = 0.25
MOST_MISSING = 7  # phones in a row, about two words, that may be heard in one of text and recording alone
MANY = ("librispeech", "libritts", "vctk", "learners")  # sources of many speakers: some of them are held out
UNWARPED = ("learners",)  # many speakers as they are


def misheard(text: str, heard: str, source: str) -> str:
    """Why what was `heard` does not fit the `text`, '' where it does. Both are compared as phones: "3" is "three"."""
    wanted, found = ([p for p in in_both(said) if p != PAUSE] for said in (text, heard))
    if Levenshtein.distance(wanted, found) > MOST_ERRORS.get(source, USUAL_ERRORS) * max(1, len(wanted)):
        return "the recogniser hears something else"
    blocks = Levenshtein.opcodes(wanted, found)
    lost = (max(b.src_end - b.src_start, b.dest_end - b.dest_start) for b in blocks if b.tag in ("delete", "insert"))
    return "the recogniser misses or adds words" if max(lost, default=0) > MOST_MISSING else ""


def warp_of(speaker: str) -> float:
    """How many times higher and shorter the speaker's second voice is: 6 to 14 % up or down, drawn from the name."""
    rng = np.random.default_rng(list(speaker.encode()))
    step = rng.uniform(0.06, 0.14)
    return round(float(1 + step if rng.random() < 0.5 else 1 / (1 + step)), 2)


def held_out(clip: Clip) -> bool:
    """Speakers of sources with many, sentences of the others; ARCTIC's are the same ones for all who read them."""
    if clip.source in MANY:
        return zlib.crc32(clip.speaker.encode()) % 20 == 0
    arctic = re.search(r"arctic_[ab](\d+)", clip.id)
    return (int(arctic[1]) if arctic else zlib.crc32(clip.id.encode())) % 50 == 0


def recorded(clips: list[Clip], heard: dict[str, str], refused: frozenset[str]) -> Iterator[Spoken | Dropped]:
    """Utterances of the clips, and what is thrown out and why. `heard` by id; `refused`: plain sentences (`plain`).

    A clip without a transcript gives one utterance without phones, for codecs. Training speakers get a second voice.
    """
    for clip in clips:
        try:
            samples = leveled(read_at(clip.path, RATE), clip.id)
        except AudioError:
            yield Dropped(clip.source, "unreadable")
            continue
        if len(samples) < 0.8 * RATE:
            yield Dropped(clip.source, "shorter than 0.8 s", len(samples) / RATE)
            continue
        why, whole = _examined(clip, samples, heard, refused)
        if why:
            yield Dropped(clip.source, why, len(samples) / RATE)
            continue
        split = "dev" if held_out(clip) else "train"
        voices = [1.0] if split == "dev" or clip.source in UNWARPED else [1.0, warp_of(clip.speaker)]
        before = 0
        for number, (piece, said) in enumerate(_pieces(samples, whole)):
            text, before = _text(clip, whole, said, before), before + len(said.words)
            for factor in voices:
                name = clip.speaker if factor == 1.0 else f"{clip.speaker}~{factor:.2f}"
                key = f"{clip.id}.{number}" + ("" if factor == 1.0 else f"~{factor:.2f}")
                phones = [(phone, end / factor) for phone, end in said.phones]
                yield Spoken(key, name, split, text, warped(piece, factor), phones, clip.language)


def _examined(clip: Clip, samples: np.ndarray, heard: dict[str, str], refused: frozenset[str]) -> tuple[str, Aligned]:
    """Why the clip cannot be used ('' where it can), and its alignment."""
    nothing = Aligned((), [])
    if not clip.text:
        return "", nothing
    if plain(clip.text) in refused:
        return "a sentence of a test set", nothing
    if clip.id not in heard:
        return "not heard by the recogniser", nothing
    why = misheard(clip.text, heard[clip.id], clip.source)
    if why:
        return why, nothing
    found = align(samples, clip.text, clip.language)
    if found is None or not plausible(found.phones):
        return "the aligner finds no way through" if found is None else "phones of unlikely lengths", nothing
    return "", found


def _text(clip: Clip, whole: Aligned, piece: Aligned, before: int) -> str:
    """What is said in a piece: its words, in Mandarin its characters where each is a syllable; "" where unknown.

    `before`: how many words are in earlier pieces.
    """
    if len(piece.words) == len(whole.words):
        return clip.text
    if clip.language == "en":
        return " ".join(word for word, _, _ in piece.words)
    characters = [c for c in clip.text if is_chinese(c)]
    return "".join(characters[before : before + len(piece.words)]) if len(characters) == len(whole.words) else ""


def _pieces(samples: np.ndarray, whole: Aligned) -> Iterator[tuple[np.ndarray, Aligned]]:
    """The recording cut at pauses, each piece with what is said in it."""
    seconds = len(samples) / RATE
    edges = [0.0, *cuts(whole.phones), seconds]
    for first, last in itertools.pairwise(edges):
        yield samples[round(first * RATE) : round(last * RATE)], part(whole, first, last)


def warped(samples: np.ndarray, factor: float) -> np.ndarray:
    """Pitch and formants times `factor`, duration divided by it: read as if recorded at another rate."""
    return samples if factor == 1.0 else resample(samples, round(RATE * factor), RATE)


def leveled(samples: np.ndarray, key: str) -> np.ndarray:
    """The recording at a level of 0.035 to 0.12 RMS, drawn from its name: codecs must not expect one loudness."""
    rng = np.random.default_rng(list(key.encode()))
    wanted = 0.035 * (0.12 / 0.035) ** rng.random()
    gain = min(
        wanted / max(1e-5, math.sqrt(float(np.mean(samples**2)))), 0.97 / max(1e-5, float(np.abs(samples).max()))
    )
    return np.asarray(samples * gain, dtype=np.float32)
