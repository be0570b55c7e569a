"""What the harness hears while a system is being trained."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from ttsbench import audio, testsets
from ttsbench.commands import train
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel
from ttsbench.records import Card, Sample
from ttsbench.systems.training import ear, stages


def installed() -> bool:
    try:
        weights.find("faster-whisper-base")
    except MissingModel:
        return False
    return importlib.util.find_spec("faster_whisper") is not None


def test_words_and_voice_are_heard_and_failures_count(monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed():
        monkeypatch.setattr(ear, "transcribe", lambda samples: text)
    row = testsets.load("seed-mini").samples[0]
    assert row.truth
    said, text = audio.read_at(row.truth, 16000), row.text

    class Toy:
        card = Card("toy")

        def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
            if sample.id == "breaks":
                raise RuntimeError("no weights yet")
            if sample.id == "speaks":
                yield said[:8000]
                yield said[8000:]

    samples = [Sample(name, text, prompt=row.prompt) for name in ("speaks", "breaks", "silent", "speaks")]
    whole = ear.hear(Toy(), samples[:1])
    assert whole["wer"] < 0.5 < whole["sim"] and whole["failed"] == 0
    found = ear.hear(Toy(), samples)
    wer, sim = (2 * whole["wer"] + 2) / 4, whole["sim"] / 2
    assert found == pytest.approx({"score": wer + 1 - sim, "wer": wer, "sim": sim, "failed": 0.5}, abs=1e-6)
    assert next(iter(found)) == "score"  # the trainer goes by the first


class Recorded:
    """Says a recording of the first sentence, at 24 kHz."""

    card = Card("recorded", sample_rate=24000)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        assert sample.truth
        yield audio.read_at(sample.truth, 24000)


def test_a_recogniser_that_repeats_itself_counts_as_one_lost_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "transcribe", lambda samples: "I'm sorry, " * 80)
    assert ear.hear(Recorded(), testsets.load("seed-mini").samples[:1])["wer"] == 1.0


@pytest.mark.skipif(not installed(), reason="faster-whisper, or the weights of Whisper base, are not installed")
def test_whisper_hears_a_recording_at_any_rate() -> None:
    assert ear.hear(Recorded(), testsets.load("seed-mini").samples[:1])["wer"] < 0.5


def test_training_does_not_begin_without_the_ear_that_it_will_need(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingModel("no Whisper here")

    begun: list[str] = []
    monkeypatch.setattr(ear, "whisper", missing)
    monkeypatch.setattr(stages, "run", lambda order, hear, recognise: begun.append(order.what) or 0)
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    with pytest.raises(MissingModel, match="no Whisper"):
        train.run(parser.parse_args(["kalle"]))
    for words in (["kalle", "--listen", "0"], ["vocoder"], ["kalle", "--preset", "paper"]):
        assert train.run(parser.parse_args(words)) == 0
    assert begun == ["kalle", "vocoder", "kalle"]


def test_what_whisper_says_again_and_again_is_said_once() -> None:
    cut = ear.without_loops
    assert cut("Keep an eye on him. Keep an eye on him. Keep an eye on") == "Keep an eye on him."
    assert cut("and just going. I'm going to hit. I'm going to hit.") == "and just going. I'm going to hit."
    assert cut("talk shop Ruth charged him Ruth charged him Ruth charged him Ruth") == "talk shop Ruth charged him"
    assert cut("Lord Levy said. Lord Levy said. Lord Le") == "Lord Levy said."
    for text in ("It was very very good.", "He said no, no.", "", "the man and the dog and the man", "one"):
        assert cut(text) == text
    assert cut("设定二十九度设定二十九度设定") == "设定二十九度"
