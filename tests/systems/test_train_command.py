import argparse
from pathlib import Path

import pytest

from ttsbench.systems.training import command
from ttsbench.systems.training.trainer import Settings


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_every_stage_needs_what_the_one_before_made(tmp_path: Path) -> None:
    for what in ("vocoder", "fsq", "livespeech", "llasa"):
        with pytest.raises(FileNotFoundError, match="ttsbench train corpus"):
            command.run(options(what, "--corpus", str(tmp_path / "none"), "--out", str(tmp_path)))


def test_a_stage_is_handed_its_folders_and_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("ttsbench.systems.training.codec.train_codec", lambda *a, **k: seen.append((a, k)))
    (tmp_path / "fsq").mkdir()
    (tmp_path / "fsq" / "last.safetensors").write_bytes(b"")
    words = ("--corpus", str(tmp_path / "c"), "--out", str(tmp_path))
    assert command.run(options("rvq", *words)) == command.run(options("fsq", *words)) == 0
    for limit in (("--minutes", "3"), ("--steps", "7")):
        assert command.run(options("fsq", *words, *limit)) == 0
    fsq = tmp_path / "fsq" / "last.safetensors"
    assert seen == [
        (("rvq", tmp_path / "c", tmp_path / "rvq", 0, None), {"warm": fsq}),  # fitted, not trained
        (("fsq", tmp_path / "c", tmp_path / "fsq", 658, None), {"warm": None}),
        (("fsq", tmp_path / "c", tmp_path / "fsq", 10**6, 3.0), {"warm": None}),
        (("fsq", tmp_path / "c", tmp_path / "fsq", 7, None), {"warm": None}),
    ]
    fsq.unlink()
    with pytest.raises(ValueError, match="Train fsq first"):
        command.run(options("rvq", *words))


@pytest.mark.parametrize(
    ("words", "steps", "minutes"),
    [((), 2439, None), (("--steps", "5"), 5, None), (("--minutes", "3"), 10**6, 3.0)],
)
def test_a_system_ends_by_steps_by_the_clock_or_as_shipped(
    words: tuple[str, ...], steps: int, minutes: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr("ttsbench.systems.mobilespeech.train.fit", lambda _, __, settings, **___: seen.append(settings))
    assert command.run(options("mobilespeech", "--out", str(tmp_path), "--seed", "7", *words)) == 0
    assert [(found.steps, found.minutes, found.seed) for found in seen] == [(steps, minutes, 7)]


def test_paper_presets_are_refused_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    with pytest.raises(ValueError, match="only livespeech, mobilespeech, kalle, llasa"):
        command.run(options("fsq", "--preset", "paper", "--corpus", str(tmp_path)))
    with pytest.raises(SystemExit):
        options("nonsense")
