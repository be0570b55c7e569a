"""Distances of distributions by hand and by other formulas; the score over a feature that needs no model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import soundfile

from ttsbench import cli, distribution
from ttsbench.errors import UserError
from ttsbench.metrics.distributions import EMBEDDED, SCORES
from ttsbench.metrics.quality import wada
from ttsbench.records import Sample, Synthesis
from ttsbench.store import Run


def test_wasserstein_by_hand_and_of_sets_of_two_sizes() -> None:
    one, other = np.array([0.0, 1.0]), np.array([2.0, 5.0])
    assert distribution.wasserstein(one, other) == pytest.approx(np.sqrt((4 + 16) / 2))
    assert distribution.wasserstein(one, np.repeat(one, 3)) == 0
    assert distribution.wasserstein(np.array([0.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(np.sqrt(14 / 3))


def test_frechet_is_the_formula_and_holds_with_fewer_clips_than_dimensions() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(50, 4)), rng.normal(1.0, 2.0, size=(70, 4))
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    gap = one.mean(0) - other.mean(0)
    wanted = gap @ gap + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert distribution.frechet(one, other) == pytest.approx(wanted)
    few = rng.normal(size=(3, 40))
    assert distribution.frechet(few, few) == pytest.approx(0, abs=1e-9)
    assert distribution.frechet(few, few + 1) == pytest.approx(40)


def test_the_score_is_100_on_real_speech_and_0_on_noise() -> None:
    assert (
        distribution.score(0.0, 3.0) == 100 and distribution.score(3.0, 0.0) == 0 and distribution.score(1.0, 1.0) == 50
    )


def test_the_ratio_of_amplitudes_of_known_mixtures() -> None:
    rng = np.random.default_rng(1)
    speech = rng.gamma(0.4, size=64000) * rng.choice((-1.0, 1.0), 64000)
    speech /= np.sqrt(np.mean(speech**2))
    for decibels in (0.0, 10.0, 20.0):
        mixed = speech + 10 ** (-decibels / 20) * rng.normal(size=64000)
        assert wada.snr(mixed.astype(np.float32)) == pytest.approx(decibels, abs=1.5)
    assert wada.snr(rng.normal(size=64000).astype(np.float32)) < -5
    with pytest.raises(UserError, match="silent"):
        wada.snr(np.zeros(100, dtype=np.float32))


def clips(folder: Path, level: float, count: int = 8) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(2)
    made = [folder / f"{index}.wav" for index in range(count)]
    for path in made:
        speech = rng.gamma(0.4, size=16000) * rng.choice((-0.03, 0.03), 16000)
        soundfile.write(path, np.clip(speech + level * rng.normal(size=16000), -1, 1), 16000)
    return made


WADA = dataclasses.replace(EMBEDDED, kinds=EMBEDDED.kinds[-1:], models=())


def test_clean_clips_are_nearer_to_clean_ones_than_noisy_clips(tmp_path: Path) -> None:
    real = clips(tmp_path / "real", 0.001)
    (clean,) = distribution.measure(clips(tmp_path / "clean", 0.001), real, WADA)
    (noisy,) = distribution.measure(clips(tmp_path / "noisy", 0.1), real, WADA)
    assert clean.score > 95 > 40 > noisy.score and (clean.clips, clean.failed) == (8, 0)


def test_too_few_clips_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="environment: 7 clips and 8 recordings could be measured, at least 8"):
        distribution.measure(clips(tmp_path / "few", 0.01, 7), clips(tmp_path / "real", 0.01), WADA)


def test_the_command_takes_the_test_sets_own_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SCORES, EMBEDDED.name, WADA)
    real, made = clips(tmp_path / "real", 0.001), clips(tmp_path / "made", 0.001)
    samples = [Sample(f"s{index}", "x", truth=path) for index, path in enumerate(real)]
    run = Run.create(tmp_path / "run", {"system": {"name": "sys"}}, samples)
    for sample, path in zip(samples, made, strict=True):
        run.add_synthesis(Synthesis(sample.id, str(path)))
    assert cli.main(["distance", str(run.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["runs"]["run"]
    assert told["score"] == EMBEDDED.name and told["totals"] == {}  # this feature is shown and not counted
    assert row["feature"] == "environment" and row["score"] > 95
