"""What the benchmarks of single systems share: speak rows of a test set, and print one line of figures for them."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ttsbench import audio, metrics, testsets
from ttsbench.metrics.sim import cosine
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import compare
from ttsbench.records import Feature, Request, Sample, System

RATE = 16000
RECOGNISER, SPEAKER = "recognisers.faster_whisper", "speakers.ge2e"
SETTINGS = {"model": "faster-whisper-base", "language": "en"}


class Spoken(NamedTuple):
    """Files, and of each in seconds: its length, what it took, the wait for the first chunk, for an audible sample."""

    files: list[Path]
    length: np.ndarray
    took: np.ndarray
    first: np.ndarray
    audible: np.ndarray


def rows_of(testset: str, limit: int) -> list[Sample]:
    """`limit` rows of a test set, evenly spread."""
    rows = testsets.load(testset).samples
    return list(rows[:: max(1, len(rows) // limit)][:limit])


def speak(system: System, samples: Sequence[Sample], folder: Path) -> Spoken:
    """Row n with seed n; what plays at once counts as audible when its chunk arrives or, if later in it, is played."""
    files, figures = [], []
    for number, sample in enumerate(samples):
        began, first = time.perf_counter(), 0.0
        pieces: list[np.ndarray] = []
        for piece in system.synthesize(sample, number):
            first = first or time.perf_counter() - began
            pieces.append(piece)
        took = time.perf_counter() - began
        sound = np.concatenate(pieces)
        onset = (audio.first_audible(sound, RATE) or 0) / RATE
        files.append(folder / f"{number}.wav")
        audio.write(files[-1], sound, RATE)
        figures.append((len(sound) / RATE, took, first, first + onset))
    return Spoken(files, *np.array(figures).T)


@functools.cache
def _loaded(extractor: str) -> Any:
    return metrics.extractor(extractor).load(SETTINGS if extractor == RECOGNISER else {}, "cpu")


def features(extractor: str, files: Sequence[Path]) -> list[Feature]:
    """One feature of each file; a file whose feature failed is an error here."""
    found: list[Feature] = _loaded(extractor)([Request(extractor, file) for file in files])
    failed = [f"{file}: {feature.error}" for file, feature in zip(files, found, strict=True) if feature.error]
    if failed:
        raise ValueError("; ".join(failed))
    return found


def errors(files: Sequence[Path], samples: Sequence[Sample]) -> float:
    """Word error rate in %, the mean over rows, by the embedded recogniser and its rules."""
    heard = features(RECOGNISER, files)
    plain = rules("whisper-en")
    rates = [compare(s.text, str(f.value["text"]), plain)[2].rate for s, f in zip(samples, heard, strict=True)]
    return 100 * float(np.mean(rates))


def similarity(files: Sequence[Path], samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Mean cosine to the own prompt, to the prompts of other speakers, and the share of rows where own is higher.

    A row without enough speech to have a voice is in no mean, and own is not higher there.
    """
    heard = [_loaded(SPEAKER)([Request(SPEAKER, file)])[0] for file in files]
    made = [None if feature.error else feature for feature in heard]
    prompts = features(SPEAKER, [sample.prompt for sample in samples if sample.prompt])
    rows = []
    for voice, prompt, sample in zip(made, prompts, samples, strict=True):
        if voice is None:
            rows.append((np.nan, np.nan))
            continue
        others = [cosine(voice, p) for p, s in zip(prompts, samples, strict=True) if s.speaker != sample.speaker]
        rows.append((cosine(voice, prompt), float(np.mean(others))))
    own, other = np.array(rows).T
    return float(np.nanmean(own)), float(np.nanmean(other)), float((own > other).mean())


def lengths(files: Sequence[Path], samples: Sequence[Sample]) -> tuple[float, float]:
    """Mean of output over truth in seconds: whole files, and from first to last audible sample."""

    def seconds(path: Path) -> tuple[float, float]:
        sound = audio.read_at(path, RATE)
        return len(sound) / RATE, audio.audible_seconds(sound, RATE)

    made = np.array([seconds(file) for file in files])
    true = np.array([seconds(sample.truth) for sample in samples if sample.truth])
    whole, spoken = (made / true).mean(axis=0)
    return float(whole), float(spoken)


def line(name: str, system: System, samples: Sequence[Sample]) -> Spoken:
    """Print one line of a table: word errors, similarity, length against the truth, real-time factor, first chunk.

    Returns the times (its files are gone).
    """
    with tempfile.TemporaryDirectory() as folder:
        spoken = speak(system, samples, Path(folder))
        own, other, share = similarity(spoken.files, samples)
        whole, audible = lengths(spoken.files, samples)
        print(
            f"{name:32s} WER {errors(spoken.files, samples):5.1f} %  SIM own {own:.3f} others {other:.3f} "
            f"({100 * share:.0f} % higher)  length {whole:.2f}, audible part {audible:.2f} of the truth  "
            f"RTF {spoken.took.sum() / spoken.length.sum():.3f}  {spoken.took.mean():.2f} s a row, "
            f"first chunk {1000 * np.median(spoken.first):.0f} ms",
            flush=True,
        )
    return spoken
