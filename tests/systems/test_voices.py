import shutil

import numpy as np
import pytest

from ttsbench.systems.corpus import voices
from ttsbench.systems.corpus.voices import MARGIN, RATE, VOICES, VoiceError, distance, random_voice, speak, voice

flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def median_f0(samples: np.ndarray) -> float:
    """Autocorrelation pitch of the loud 40 ms frames, independent of the synthesiser."""
    found = []
    for start in range(0, len(samples) - 640, 320):
        frame = samples[start : start + 640] - samples[start : start + 640].mean()
        if np.sqrt(np.mean(frame**2)) < 0.05:
            continue
        echo = np.correlate(frame, frame, "full")[639:]
        lag = 50 + int(np.argmax(echo[50:230]))
        if echo[lag] > 0.5 * echo[0]:
            found.append(RATE / lag)
    return float(np.median(found))


def test_sixteen_distinct_voices_and_enough_of_them_for_tests_only() -> None:
    assert len(VOICES) == len({v.name for v in VOICES}) == 16
    assert sum(v.test_only for v in VOICES) >= 6
    assert all(v.engine == "flite" for v in VOICES if v.test_only)
    for index, one in enumerate(VOICES):
        for two in VOICES[index + 1 :]:
            assert distance(one, two) >= MARGIN, (one.name, two.name)


def test_training_voices_keep_away_from_test_only_ones() -> None:
    rng = np.random.default_rng(0)
    tested = [v for v in VOICES if v.test_only]
    drawn = [random_voice(rng) for _ in range(500)]
    assert min(distance(d, t) for d in drawn for t in tested) >= MARGIN
    assert {d.base for d in drawn} == {"slt", "rms", "awb", "kal16"}
    assert not any(d.test_only for d in drawn)
    assert [random_voice(np.random.default_rng(3)) for _ in range(2)] == [random_voice(np.random.default_rng(3))] * 2


@flite
def test_speech_has_the_wanted_pitch_and_phones_that_end_with_the_audio() -> None:
    for name in ("anna", "judy", "mark", "liam"):
        samples, phones = speak("We were away a year ago, you and I.", voice(name))
        assert samples.dtype == np.float32 and np.abs(samples).max() <= 1.0
        ends = [end for _, end in phones]
        assert ends == sorted(ends) and abs(ends[-1] - len(samples) / RATE) < 0.03
        assert phones[0][0] == "pau" and [p for p, _ in phones][1:4] == ["w", "iy", "w"]
        assert abs(np.log2(median_f0(samples) / voice(name).f0)) < 0.25, name


@flite
def test_several_sentences_have_rising_ends() -> None:
    samples, phones = speak("One is here. Two are there. Three are gone.", voice("anna"))
    ends = [end for _, end in phones]
    assert ends == sorted(ends) and abs(ends[-1] - len(samples) / RATE) < 0.1


@flite
def test_the_same_text_gives_the_same_samples() -> None:
    one, _ = speak("Say it again.", voice("owen"))
    two, _ = speak("Say it again.", voice("owen"))
    np.testing.assert_array_equal(one, two)


@flite
@pytest.mark.parametrize(
    "text", ["-voice list", "--help", 'a "quoted" $(id) `id` line\nand\tanother\x00one', "<speak>hi</speak>"]
)
def test_hostile_text_is_spoken_not_obeyed(text: str) -> None:
    samples, phones = speak(text, voice("anna"))
    assert len(samples) > RATE // 4 and len(phones) > 3


@espeak
def test_espeak_speaks_without_phones() -> None:
    samples, phones = speak("-f Hello there.", voice("hugh"))
    assert len(samples) > RATE // 2 and phones == []


def test_clear_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VoiceError, match="nothing to say"):
        speak(" \n\x00", voice("anna"))
    with pytest.raises(VoiceError, match="limit"):
        speak("word " * 2000, voice("anna"))
    with pytest.raises(ValueError, match="anna"):
        voice("nobody")
    monkeypatch.setattr(voices.shutil, "which", lambda _: None)
    with pytest.raises(VoiceError, match="apt install flite"):
        speak("hello", voice("anna"))
