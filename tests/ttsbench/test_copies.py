"""Outputs that are the test set's own recordings are found whatever file they come in, in every protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import metrics, speaking
from ttsbench.copies import copy_note
from ttsbench.metrics.copied import copied
from ttsbench.records import Card, Item, Sample, Synthesis

WAVE = (0.3 * np.sin(np.arange(8000) / 7)).astype(np.float32)


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    soundfile.write(tmp_path / "truth.flac", WAVE, 16000)
    soundfile.write(tmp_path / "prompt.wav", WAVE[::-1], 16000, subtype="FLOAT")
    return Sample("a", "x", prompt=tmp_path / "prompt.wav", truth=tmp_path / "truth.flac")


@pytest.mark.parametrize(
    ("wave", "rate", "note"),
    [(WAVE, 16000, "equal to its recording"), (WAVE[::-1], 16000, "equal to its prompt"), (WAVE, 24000, ""),
     (WAVE[:-1], 16000, ""), (0.9 * WAVE, 16000, "")],
)  # fmt: skip
def test_a_copy_is_known_by_its_samples(sample: Sample, wave: np.ndarray, rate: int, note: str) -> None:
    assert copy_note(sample, wave, rate) == note


def test_a_recording_that_is_not_there_is_no_copy() -> None:
    assert copy_note(Sample("a", "x", truth=Path("/nowhere.wav")), WAVE, 16000) == ""


class Parrot:
    """A system that gives back its prompt."""

    card = Card("parrot", sample_rate=16000)

    def synthesize(self, sample, seed):
        yield soundfile.read(sample.prompt, dtype="float32")[0]


def test_a_system_that_gives_back_its_prompt_is_noted(sample: Sample, tmp_path: Path) -> None:
    row, _ = speaking.speak(Parrot(), speaking.Job(sample, 0, tmp_path, "a"))
    assert row.note == "equal to its prompt"
    score = copied().score(Item(sample, row, Parrot.card, tmp_path / row.audio), ())
    assert score.value == 1.0 and score.detail == {"checks": ["equal to its prompt"]}
    honest = dataclasses.replace(row, note="")
    assert copied().score(Item(sample, honest, Parrot.card, tmp_path / row.audio), ()).value == 0.0
    assert copied().score(Item(sample, Synthesis("a", error="crashed"), Parrot.card, None), ()).error == "crashed"


def test_every_protocol_looks_for_copies() -> None:
    for name in metrics.protocol_names():
        columns = {each.metric.name for each in metrics.protocol(name).measures}
        assert columns & {"copied", "flagged"}, name
