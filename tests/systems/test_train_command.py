import argparse
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ttsbench import systems
from ttsbench.audio import write
from ttsbench.commands import train
from ttsbench.records import Sample
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.kalle.model import Kalle
from ttsbench.systems.kalle.train import train_small
from ttsbench.systems.mobilespeech.design import SMALL
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.mobilespeech.train import Trained
from ttsbench.systems.training import stages
from ttsbench.systems.training.trainer import Settings, export


def options(*words: str) -> stages.Order:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.order(parser.parse_args(words))


def test_every_stage_needs_what_the_one_before_made(tmp_path: Path) -> None:
    for what in ("vocoder", "fsq", "livespeech", "llasa"):
        with pytest.raises(FileNotFoundError, match="ttsbench train corpus"):
            stages.run(options(what, "--corpus", str(tmp_path / "none"), "--out", str(tmp_path)))


def test_a_stage_is_handed_its_folders_and_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("ttsbench.systems.training.codec.train_codec", lambda *a, **k: seen.append((a, k)))
    (tmp_path / "fsq").mkdir()
    (tmp_path / "fsq" / "last.safetensors").write_bytes(b"")
    words = ("--corpus", str(tmp_path / "c"), "--out", str(tmp_path))
    assert stages.run(options("rvq", *words)) == stages.run(options("fsq", *words)) == 0
    for limit in (("--minutes", "3"), ("--steps", "7")):
        assert stages.run(options("fsq", *words, *limit)) == 0
    fsq = tmp_path / "fsq" / "last.safetensors"
    assert seen == [
        (("rvq", tmp_path / "c", tmp_path / "rvq", 0, None), {"warm": fsq}),  # fitted, not trained
        (("fsq", tmp_path / "c", tmp_path / "fsq", 658, None), {"warm": None}),
        (("fsq", tmp_path / "c", tmp_path / "fsq", 10**6, 3.0), {"warm": None}),
        (("fsq", tmp_path / "c", tmp_path / "fsq", 7, None), {"warm": None}),
    ]
    fsq.unlink()
    with pytest.raises(ValueError, match="Train fsq first"):
        stages.run(options("rvq", *words))


@pytest.mark.parametrize(
    ("words", "steps", "minutes"),
    [((), 2439, None), (("--steps", "5"), 5, None), (("--minutes", "3"), 10**6, 3.0)],
)
def test_a_system_ends_by_steps_by_the_clock_or_as_shipped(
    words: tuple[str, ...], steps: int, minutes: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []

    def fit(corpus: Path, folder: Path, settings: Settings, **more: object) -> MobileSpeech:
        seen.append(settings)
        return MobileSpeech(SMALL)

    monkeypatch.setattr("ttsbench.systems.mobilespeech.train.fit", fit)
    assert stages.run(options("mobilespeech", "--out", str(tmp_path), "--seed", "7", "--listen", "0", *words)) == 0
    assert [(found.steps, found.minutes, found.seed) for found in seen] == [(steps, minutes, 7)]


@pytest.mark.parametrize("made", ["mobilespeech.train.fit", "livespeech.train.small", "llasa.train.small"])
def test_a_system_that_begins_with_weights_learns_at_a_third_of_the_rate(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def stop(corpus: Path, folder: Path, given: Any, *_: object, **__: object) -> None:
        rates.append(getattr(given, "settings", given).lr)
        raise InterruptedError

    monkeypatch.setattr(f"ttsbench.systems.{made}", stop)
    words = (made.split(".")[0], "--out", str(tmp_path), "--listen", "0")
    for more in ((), ("--start", str(checkpoints()))):
        with pytest.raises(InterruptedError):
            stages.run(options(*words, *more))
    assert rates[1] == pytest.approx(rates[0] / 3)


def test_kalle_that_begins_with_weights_learns_at_a_third_of_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def stop(*_: object, rate: float, **__: object) -> None:
        rates.append(rate)
        raise InterruptedError

    monkeypatch.setattr("ttsbench.systems.kalle.train.fit", stop)
    monkeypatch.setattr("ttsbench.systems.kalle.latents.clips_of", lambda *_: [])
    monkeypatch.setattr("ttsbench.systems.kalle.train.fresh", lambda _, shape: Kalle(shape))
    monkeypatch.setattr("ttsbench.systems.kalle.train.Corpus", lambda _: argparse.Namespace(known=41))
    for start in (None, checkpoints() / "kalle.safetensors"):
        with pytest.raises(InterruptedError):
            train_small(tmp_path, checkpoints(), tmp_path, None, start=start)
    assert rates[1] == pytest.approx(rates[0] / 3)


def distance(one: MobileSpeech, other: MobileSpeech) -> float:
    """Of the weights, in parts of the other's length."""
    pairs = [(a.float(), b.float()) for a, b in zip(one.parameters(), other.parameters(), strict=True)]
    apart, length = sum((a - b).square().sum() for a, b in pairs), sum(b.square().sum() for _, b in pairs)
    return float(torch.as_tensor(apart / length).sqrt())


def test_what_was_trained_speaks_with_the_weights_that_were_heard_to_be_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, best = MobileSpeech(SMALL), MobileSpeech(SMALL)
    assert distance(last, best) > 0.5
    (tmp_path / "mobilespeech").mkdir()
    export(Trained(best).state_dict(), tmp_path / "mobilespeech" / "best.safetensors")
    monkeypatch.setattr("ttsbench.systems.mobilespeech.train.fit", lambda *_, **__: last)
    monkeypatch.setattr("ttsbench.systems.training.listening.listener", lambda *_: dict)
    monkeypatch.setenv("TTSBENCH_CHECKPOINTS", str(checkpoints()))
    for listen, expected in (("0", last), ("8", best)):
        words = ("mobilespeech", "--out", str(tmp_path), "--corpus", str(tmp_path), "--listen", listen)
        assert stages.run(options(*words), hear=lambda *_: {}) == 0
        monkeypatch.setenv("TTSBENCH_CHECKPOINTS", str(tmp_path / "checkpoints"))
        system: Any = systems.load("mobilespeech")
        assert distance(system.model, expected) < 0.02
        prompt = np.sin(np.arange(48000) / 20).astype(np.float32) / 3
        write(tmp_path / "prompt.flac", prompt, 16000)
        sample = Sample("a", "Hello there.", prompt=tmp_path / "prompt.flac", prompt_text="One two three.")
        assert sum(chunk.size for chunk in system.synthesize(sample, 0)) > 1000


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_a_share_of_the_weights_begun_with_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    shipped: Any = systems.load("mobilespeech")
    tuned = copy.deepcopy(shipped.model)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter += 0.1
    expected = copy.deepcopy(shipped.model)
    for own, other in zip(expected.parameters(), tuned.parameters(), strict=True):
        own.data = share * own.data + (1 - share) * other.data
    monkeypatch.setattr("ttsbench.systems.mobilespeech.train.fit", lambda *_, **__: tuned)
    words = ("--out", str(tmp_path), "--corpus", str(tmp_path), "--listen", "0", "--keep", str(share))
    assert stages.run(options("mobilespeech", *words, "--start", str(checkpoints()))) == 0
    monkeypatch.setenv("TTSBENCH_CHECKPOINTS", str(tmp_path / "checkpoints"))
    written: Any = systems.load("mobilespeech")
    assert distance(written.model, expected) < 0.01
    assert distance(expected, shipped.model) > 0.05 or share == 1


def test_paper_presets_are_refused_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    with pytest.raises(ValueError, match="only livespeech, mobilespeech, kalle, llasa"):
        stages.run(options("fsq", "--preset", "paper", "--corpus", str(tmp_path)))
    with pytest.raises(SystemExit):
        options("nonsense")


def test_decoders_go_on_from_what_was_trained_or_from_a_folder_of_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr("ttsbench.systems.training.joint.train_joint", lambda *a, **k: seen.append((*a[4:], k)))
    monkeypatch.setattr(
        "ttsbench.systems.training.joint.split_weights", lambda source, target: target.mkdir(exist_ok=True)
    )
    out, start = tmp_path / "out", tmp_path / "start"
    for path in ("fsq/last", "rvq/last", "vocoder/last"):
        (out / path).parent.mkdir(parents=True)
        (out / path).with_suffix(".safetensors").touch()
    start.mkdir()
    for name in ("codec-fsq", "codec-rvq", "codec-flowvae", "vocoder"):
        (start / f"{name}.safetensors").write_text(name)
    words = ("decoders", "--corpus", str(tmp_path / "c"), "--out", str(out), "--device", "cuda")
    (start / "critics.safetensors").touch()
    assert stages.run(options(*words)) == stages.run(options(*words, "--start", str(start), "--listen", "0")) == 0
    vocoder = out / "vocoder"
    assert seen[0] == (
        vocoder / "vocoder.safetensors", {name: out / name / "last.safetensors" for name in ("rvq", "fsq")},
        vocoder / "last.safetensors", {"device": "cuda", "judged": True},
    )  # fmt: skip
    assert seen[1] == (
        start / "vocoder.safetensors", {name: start / f"codec-{name}.safetensors" for name in ("fsq", "flowvae")},
        start / "critics.safetensors", {"device": "cuda", "judged": False},
    )  # fmt: skip
    assert (out / "checkpoints" / "codec-rvq.safetensors").read_text() == "codec-rvq"  # its stacks are FSQ's
