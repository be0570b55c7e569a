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
    """Means over clips; `wer` is over all words together, `wer_original` that of the recordings themselves."""

    clips: int
    stoi: float
    pesq: float
    similarity: float
    wer: float
    wer_original: float


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


def measure(resynthesise: Callable[[np.ndarray], np.ndarray], clips: list[Clip], recognition: bool = True) -> Figures:
    """Figures of a round trip (samples to samples, 16 kHz) over clips. PESQ skips clips that it refuses."""
    from pesq import PesqError, pesq
    from pystoi import stoi

    stois, pesqs, alike, wrong, wrong_original, total = [], [], [], 0, 0, 0
    for clip in clips:
        made = resynthesise(clip.audio)[: len(clip.audio)]
        made = np.pad(made, (0, len(clip.audio) - len(made)))
        stois.append(float(stoi(clip.audio, made, RATE)))
        try:
            pesqs.append(float(pesq(RATE, clip.audio, made, "wb")))
        except PesqError:
            pass
        alike.append(float(embed(clip.audio) @ embed(made)))
        if recognition:
            said = words(clip.text)
            total += len(said)
            wrong += edits(said, recognise(made))
            wrong_original += edits(said, recognise(clip.audio))
    return Figures(
        clips=len(clips),
        stoi=float(np.mean(stois)),
        pesq=float(np.mean(pesqs)),
        similarity=float(np.mean(alike)),
        wer=wrong / max(1, total),
        wer_original=wrong_original / max(1, total),
    )
