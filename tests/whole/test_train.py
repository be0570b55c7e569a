"""The whole way of `ttsbench train`: a corpus' codes, a few steps of a system, and the system speaks with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttsbench import audio, cli, systems
from ttsbench.records import Sample, System
from ttsbench.systems.corpus.shards import Spoken, collect, write_shard
from ttsbench.systems.training.log import read_log


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve utterances of noise by two speakers, with phones, and the codes of the shipped codecs."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    marks = [("hh", 0.2), ("ay", 0.5), ("dh", 0.6), ("eh", 0.8), ("r", 1.0)]
    write_shard(
        folder, "0", "libritts",
        iter([
            Spoken(f"u{i}", f"s{i % 2}", "dev" if i < 4 else "train", "hi there", noise, marks)
            for i, noise in enumerate(rng.normal(0, 0.1, (12, 16000)).astype(np.float32))
        ]),
    )  # fmt: skip
    collect(folder)
    assert cli.main(["train", "codes", "--corpus", str(folder), "--out", str(folder / "none")]) == 0
    return folder


@pytest.mark.parametrize("what", ["livespeech", "mobilespeech", "kalle", "llasa"])
def test_a_system_is_trained_heard_and_speaks(
    what: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", what, "--corpus", str(corpus), "--out", str(tmp_path), "--steps", "2", "--listen", "1"]
    assert cli.main(words) == 0
    logged = {row["name"] for row in read_log(tmp_path / what)}
    assert {"eval_wer", "eval_sim"} <= logged
    assert (tmp_path / what / "best.safetensors").is_file()
    monkeypatch.setenv("TTSBENCH_CHECKPOINTS", str(tmp_path / "checkpoints"))
    system = systems.load(what)
    assert isinstance(system, System)
    audio.write(tmp_path / "prompt.wav", np.sin(np.arange(32000) / 20).astype(np.float32) / 3, 16000)
    sample = Sample("a", "Hi there.", prompt=tmp_path / "prompt.wav", prompt_text="Hi there.")
    made = np.concatenate(list(system.synthesize(sample, 0)))
    assert made.size > 1600 and np.isfinite(made).all()
