"""Pitch, rate, pauses and mel-cepstral distortion, on signals whose answers are known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import soundfile

from ttsbench import metrics
from ttsbench.metrics.quality import world
from ttsbench.metrics.quality.pauses import speaking
from ttsbench.records import Card, Feature, Item, Request, Sample, Synthesis

RATE = 16000
needs_world = pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="pyworld is not installed")


def voice(hertz, seconds=1.0, tilt=1.0):
    """A hum of ten harmonics whose pitch is `hertz`, a number or one a sample; `tilt` makes it duller or brighter."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, round(seconds * RATE)) / RATE)
    tone = sum(np.sin(k * phase) / k**tilt for k in range(1, 11))
    return (0.2 * tone / np.abs(tone).max()).astype(np.float32)


@pytest.fixture
def written(tmp_path):
    def write(name, samples):
        soundfile.write(tmp_path / name, samples, RATE, subtype="FLOAT")
        return tmp_path / name

    return write


def asked(what, path, reference=None):
    run = metrics.extractor("quality.world").load({"what": what}, "cpu")
    return run([Request("quality.world", path, reference=reference, settings=(("what", what),))])[0]


@needs_world
def test_pitch_of_hums_is_what_it_is(written):
    steady = asked("clip", written("steady.wav", voice(150))).value
    assert steady["mean"] == pytest.approx(150, rel=0.01) and steady["range"] < 0.3
    glide = asked("clip", written("glide.wav", voice(100 * 2 ** np.linspace(0, 1, 2 * RATE), 2.0))).value
    assert glide["range"] == pytest.approx(0.9 * 12, abs=0.5)


@needs_world
@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.random.default_rng(0).normal(0, 0.1, RATE // 50)])
def test_what_has_no_pitch_is_an_error(written, samples):
    found = asked("clip", written("none.wav", samples))
    assert found.error and not found.value


@needs_world
def test_a_pair_that_is_equal_shifted_or_duller(written):
    rising = 120 * 2 ** np.linspace(0, 0.5, RATE)
    clean = written("clean.wav", voice(rising))
    same = asked("pair", clean, clean).value
    assert same["mcd"] == 0 and same["cents"] == 0 and same["correlation"] == pytest.approx(1)
    higher = asked("pair", written("higher.wav", voice(rising * 2 ** (1 / 12))), clean).value
    assert higher["cents"] == pytest.approx(100, abs=8) and higher["correlation"] > 0.99
    little, much = (asked("pair", written("dull.wav", voice(rising, tilt=t)), clean).value["mcd"] for t in (1.2, 2.0))
    assert 0 < little < much
    falling = asked("pair", written("falling.wav", voice(rising[::-1])), clean).value
    assert falling["correlation"] < -0.9


@needs_world
def test_a_pair_of_two_lengths_is_not_aligned(written):
    found = asked("pair", written("long.wav", voice(150, 1.5)), written("short.wav", voice(150)))
    assert "not aligned in time" in found.error


def test_mel_cepstra_are_those_of_sptk():
    """Golden values: pysptk 1.0.1, sp2mc(row, 24, 0.41)."""
    at = np.arange(513) / 512
    powers = np.stack([1 + 0.9 * np.cos(np.pi * at), np.exp(-5 * at) * (1.2 + np.cos(6 * np.pi * at))])
    expected = [
        [0.06303360306369876, 0.4148230882903512, -0.25611656348841627, 0.16407782361975423, -0.10864888841551873],
        [-0.8591543986757422, 0.9265039286291736, -0.10393751051406694, 0.46894144122700737, 0.1088009491882107],
    ]
    found = world.mel_cepstra(powers)
    assert found.shape == (2, 25) and found[:, :5] == pytest.approx(np.array(expected), abs=1e-12)


def test_pauses_by_hand():
    quiet, loud = np.zeros(RATE // 10), np.full(RATE // 10, 0.1)
    found = speaking(np.concatenate([quiet, loud, quiet, loud, quiet, quiet, quiet, loud, quiet]), RATE)
    assert found == {"seconds": 0.7, "paused": 0.3, "pauses": 1}  # a tenth of a second is no pause
    with pytest.raises(Exception, match="nothing in it is audible"):
        speaking(quiet, RATE)


@pytest.mark.parametrize(
    ("name", "text", "language", "expected"),
    [
        ("words-per-second", "It's twenty-two o'clock, isn't it?", "en", 3.0),
        ("words-per-second", "今天天气很好", "zh", "its writing has no spaces"),
        ("characters-per-second", "今天天气很好。", "zh", 3.0),
        ("characters-per-second", "a b!", "en", 1.0),
        ("pause-share", "anything", "en", 0.25),
    ],
)
def test_rates_and_pauses_of_a_text(tmp_path, name, text, language, expected):
    measure = metrics.protocol(name).measures[0]
    item = Item(Sample("a", text, language), Synthesis("a", audio="a.wav"), Card("x"), tmp_path / "a.wav")
    if isinstance(expected, str):
        assert measure.na(item) == expected
        return
    assert not measure.na(item) and measure.metric.better == "neither"
    score = measure.score(item, (Feature(value={"seconds": 2.0, "paused": 0.5, "pauses": 1}),))
    assert score.value == pytest.approx(expected) and not score.error


def test_the_pairs_are_asked_of_round_trips_alone(tmp_path):
    measures = {each.metric.name: each for each in metrics.protocol("prosody").measures}
    said = Item(
        Sample("a", "b", truth=tmp_path / "t.wav"), Synthesis("a", audio="a.wav"), Card("x"), tmp_path / "a.wav"
    )
    for name in ("pitch-correlation", "pitch-rmse", "mcd"):
        assert "only a codec round trip" in measures[name].na(said)
    lost = Item(Sample("a", "b"), Synthesis("a", error="it crashed"), Card("x"), None)
    assert all(each.score(lost, ()).error == "it crashed" for each in measures.values())
    unvoiced = measures["pitch-rmse"].score(said, (Feature(value={"mcd": 3.0}),))
    assert "voiced" in unvoiced.error


@pytest.mark.parametrize(
    ("language", "text", "heard", "edits", "length"),
    [
        ("en", "Two doves flew.", "to doves flew", 0, 9),  # sounds alike: t uw, d ah v z, f l uw
        ("en", "the cat", "the cap", 1, 5),  # dh ah k ae t
        ("en", "It cost $5.", "it cost five dollars", 0, 14),
        ("zh", "他是", "她是", 0, 4),  # t- a-1 sh- i-4
        ("zh", "买", "卖", 1, 2),  # the tone alone
        ("en", "the cat", "", 5, 5),
    ],
)
def test_phone_errors_are_of_what_words_sound_like(tmp_path, language, text, heard, edits, length):
    (measure,) = [each for each in metrics.protocol("prosody").measures if each.metric.name == "per-transcript"]
    item = Item(Sample("a", text, language), Synthesis("a", audio="a.wav"), Card("x"), tmp_path / "a.wav")
    (request,) = measure.requests(item)
    assert dict(request.settings) == {"model": "faster-whisper-base", "language": language}
    score = measure.score(item, (Feature(value={"text": heard}),))
    assert (score.weight, round(score.value * score.weight)) == (length, edits), score.detail
    assert not score.error and score.value == pytest.approx(edits / length, abs=1e-5)


def test_phone_errors_without_output_or_front_end(tmp_path):
    (measure,) = [each for each in metrics.protocol("prosody").measures if each.metric.name == "per-transcript"]
    lost = Item(Sample("a", "the cat"), Synthesis("a", error="it crashed"), Card("x"), None)
    assert measure.score(lost, ()).value == 1.0 and measure.score(lost, ()).error == "it crashed"
    assert (
        measure.na(Item(Sample("a", "x", "de"), Synthesis("a"), Card("x"), None))
        == "language de: no front end for it here"
    )
