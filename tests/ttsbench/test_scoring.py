"""Cached features are scored anew, also where the weights that made them are not."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ttsbench import audio, metrics
from ttsbench.records import Card, Feature, Item, Sample, Synthesis
from ttsbench.scoring import score
from ttsbench.store import FeatureStore, Run, feature_key, file_digest

SAMPLE = Sample("a", "a white paper here")
IDENTITY = {"model": "someone/whisper", "digest": "0123"}


def made(folder: Path, identity: dict[str, str] | None) -> Run:
    """A run of one utterance whose transcript is cached, as open-asr's recogniser would have left it."""
    card = Card("x")
    run = Run.create(folder, {"system": {"card": asdict(card)}, "testset": {"name": "t"}}, (SAMPLE,))
    (run.path / "audio").mkdir()
    audio.write(run.path / "audio" / "a.wav", np.full(16000, 0.1, np.float32), 16000)
    row = Synthesis("a", "audio/a.wav")
    run.add_synthesis(row)
    (wer,) = (each for each in metrics.protocol("open-asr").measures if each.metric.name == "wer")
    (request,) = wer.requests(Item(SAMPLE, row, card, run.audio(row)))
    key = feature_key(IDENTITY, file_digest(request.audio), 0.0, "", 0.0)
    about = {"file": "a.wav", **dict(request.settings)}
    FeatureStore(run.path / "features").put(
        request.extractor, key, Feature({"text": "A whitepaper her."}), about, identity
    )
    return run


def scored(run: Run) -> float | None:
    rows = score(run, ["open-asr"], jobs=1, device="cpu", timeout=60, progress=lambda *_: None)
    return rows["open-asr"]["wer"][0].value


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TTSBENCH_WEIGHTS", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def test_transcripts_are_scored_without_the_recogniser_that_made_them(tmp_path: Path) -> None:
    assert scored(made(tmp_path / "run", IDENTITY)) == 0.25


def test_without_a_word_about_the_recogniser_its_weights_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(metrics.MissingModel, match="ttsbench fetch"):
        scored(made(tmp_path / "run", None))
