"""Measures codecs by resynthesis: STOI, PESQ, speaker similarity (GE2E), word error of pocketsphinx."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio import read_at
from ttsbench.systems.nn.mel import RATE


@dataclass(frozen=True)
class Clip:
    """A recording: float32 16 kHz samples and what is said."""

    id: str
    audio: np.ndarray
    text: str


@dataclass(frozen=True)
class Figures:
    """Means over clips; `wer` is over all words together, `wer_original` that of the recordings; None: not measured."""

    clips: int
    stoi: float
    pesq: float | None
    similarity: float
    wer: float | None
    wer_original: float | None


def librispeech_clips(folder: Path, most: int | None = None) -> list[Clip]:
    """The recordings under a folder with transcripts.tsv (utt, seconds, text)."""
    clips = []
    for line in (folder / "transcripts.tsv").read_text(encoding="utf-8").splitlines()[1:][:most]:
        key, _, text = line.split("\t")
        clips.append(Clip(key, read_at(next(folder.rglob(f"{key}.flac")), RATE), text))
    return clips


def words(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def edits(one: list[str], two: list[str]) -> int:
    """Levenshtein distance between word lists."""
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, b in enumerate(two, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


@functools.lru_cache(maxsize=1)
def _recogniser() -> Any:
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def recognise(audio: np.ndarray) -> list[str]:
    """Words that pocketsphinx hears in 16 kHz samples."""
    decoder = _recogniser()
    decoder.start_utt()
    decoder.process_raw((np.clip(audio, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return words(found.hypstr) if found is not None else []


@functools.lru_cache(maxsize=1)
def _speaker_encoder() -> Any:
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def embed(audio: np.ndarray) -> np.ndarray:
    """GE2E speaker vector (256,) of unit length."""
    from resemblyzer import preprocess_wav

    vector: np.ndarray = _speaker_encoder().embed_utterance(preprocess_wav(audio, source_sr=RATE))
    return vector


@dataclass(frozen=True)
class Original:
    """What a clip's own recording gives, kept so that several codecs share it."""

    vector: np.ndarray
    wrong: int


def originals(clips: list[Clip], recognition: bool = True) -> list[Original]:
    """Speaker vectors and word errors of the recordings themselves, in the order of `clips`."""
    return [Original(embed(c.audio), edits(words(c.text), recognise(c.audio)) if recognition else 0) for c in clips]


def measure(
    resynthesise: Callable[[np.ndarray], np.ndarray],
    clips: list[Clip],
    recognition: bool = True,
    kept: list[Original] | None = None,
) -> Figures:
    """Figures of a round trip (samples to samples, 16 kHz) over clips. PESQ skips clips that it refuses.

    `kept`: `originals(clips)`, where several codecs are measured.
    """
    from pesq import PesqError, pesq
    from pystoi import stoi

    kept = originals(clips, recognition) if kept is None else kept
    stois, pesqs, alike, wrong, total = [], [], [], 0, 0
    for clip, own in zip(clips, kept, strict=True):
        made = resynthesise(clip.audio)[: len(clip.audio)]
        made = np.pad(made, (0, len(clip.audio) - len(made)))
        stois.append(float(stoi(clip.audio, made, RATE)))
        try:
            pesqs.append(float(pesq(RATE, clip.audio, made, "wb")))
        except PesqError:
            pass
        alike.append(float(own.vector @ embed(made)))
        if recognition:
            total += len(words(clip.text))
            wrong += edits(words(clip.text), recognise(made))
    return Figures(
        clips=len(clips),
        stoi=float(np.mean(stois)),
        pesq=float(np.mean(pesqs)) if pesqs else None,
        similarity=float(np.mean(alike)),
        wer=wrong / total if total else None,
        wer_original=sum(own.wrong for own in kept) / total if total else None,
    )
