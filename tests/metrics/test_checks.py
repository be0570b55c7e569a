"""Clip checks: each rule fires on its fault and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ttsbench.metrics.checks import RULES, checks, repeats
from ttsbench.metrics.quality.clip import facts
from ttsbench.records import Card, Feature, Item, Sample, Score, Synthesis

RATE = 16000


def speech(seconds: float = 3.0, level: float = 0.2) -> np.ndarray:
    """A voice-like tone that swells and fades, with a fading end."""
    time = np.arange(round(RATE * seconds)) / RATE
    envelope = np.minimum(1, np.minimum(time, seconds - time) / 0.2)
    return (level * envelope * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def scored(output: np.ndarray, truth: np.ndarray | None = None, heard: str = "", text: str = "a" * 45) -> Score:
    sample = Sample("s", text, truth=None if truth is None else Path("t.wav"))
    item = Item(sample, Synthesis("s"), Card("x"), Path("a.wav"))
    measure = checks("recogniser", {"en": "plain-en"}) if heard else checks()
    features = [Feature(facts(output, RATE))]
    features += [] if truth is None else [Feature(facts(truth, RATE))]
    features += [Feature({"text": heard})] if heard else []
    assert len(measure.requests(item)) == len(features)
    return measure.score(item, tuple(features))


def with_pause(seconds: float) -> np.ndarray:
    return np.concatenate([speech(1.5), np.zeros(round(RATE * seconds), np.float32), speech(1.5)])


@pytest.mark.parametrize(
    "name, output",
    [
        ("silent", 0.01 * speech()),
        ("clipped", np.clip(20 * speech(), -1, 1)),
        ("cut off", speech()[: 2 * RATE]),
        ("long pause", with_pause(1.8)),
        ("too short", speech(1.2)),
        ("too long", speech(6.5)),
    ],
)
def test_each_fault_is_found_and_no_other(name: str, output: np.ndarray) -> None:
    found = scored(output, truth=speech())
    assert found.detail["checks"] == [name] and found.value == 1.0 and name in RULES


@pytest.mark.parametrize("output", [speech(), speech(1.8), speech(5.5), speech(level=0.9), with_pause(1.2)[:-4000]])
def test_ordinary_clips_have_no_finding(output: np.ndarray) -> None:
    found = scored(output * np.minimum(1, np.arange(len(output), 0, -1) / 1600).astype(np.float32), truth=speech())
    assert found.value == 0.0 and not found.detail


def test_a_pause_that_the_recording_has_too_is_none() -> None:
    assert scored(with_pause(1.8), truth=with_pause(2.0)).value == 0.0


def test_without_a_recording_the_text_tells_the_length() -> None:
    assert scored(speech(3.0)).value == 0.0
    assert scored(speech(1.0)).detail["checks"] == ["too short"] and scored(speech(9.5)).detail["checks"] == [
        "too long"
    ]


def test_a_phrase_said_again_is_found_unless_the_text_says_so() -> None:
    text = "the boat left the harbour before noon"
    loop = "the boat left the boat left the harbour before noon"
    assert scored(speech(), heard=loop, text=text).detail["checks"] == ["repeated"]
    assert scored(speech(), heard=text, text=text).value == 0.0
    assert scored(speech(), heard=loop, text=loop).value == 0.0


@pytest.mark.parametrize(
    "said, count",
    [
        ("a b c", 0),
        ("a b c a b c", 1),
        ("a b a b", 0),
        ("a b c a b c a b c", 2),
        ("x a b c a b c y d e f d e f", 2),
        ("", 0),
    ],
)
def test_repeats(said: str, count: int) -> None:
    assert repeats(said.split(), 3) == count


def test_a_missing_output_is_an_error_and_an_unreadable_one_too() -> None:
    item = Item(Sample("s", "text"), Synthesis("s", error="it crashed"), Card("x"), None)
    assert checks().score(item, ()).error == "it crashed"
    there = replace(item, synthesis=Synthesis("s"), audio=Path("a.wav"))
    assert checks().score(there, (Feature(error="quality.clip: a.wav: no audio file"),)).error
    silent = checks().score(there, (Feature(error="quality.clip: a.wav: silent (peak under -72 dBFS)"),))
    assert silent.detail["checks"] == ["silent"] and not silent.error


def test_facts_of_very_short_audio_are_numbers() -> None:
    assert facts(np.full(3, 0.5, np.float32), RATE)["loudest"] == pytest.approx(0.5)
