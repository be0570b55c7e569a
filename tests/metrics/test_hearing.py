"""What the judges hear: pieces of long audio, batches, loudness, silence, channels and rates."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import audio, testsets
from ttsbench.metrics import extractor
from ttsbench.metrics.models import unpack
from ttsbench.metrics.recognisers.faster_whisper import LENGTH, RATE, pieces
from ttsbench.metrics.text import rules
from ttsbench.records import Request

pytest.importorskip("faster_whisper", reason="needs extra 'judges'")
TINY = {"model": "faster-whisper-tiny.en", "language": "en"}
WHISPER, DISTILL = "recognisers.faster_whisper", "quality.distillmos"


@pytest.fixture(scope="module")
def listen():
    run = extractor(WHISPER).load(TINY, "cpu")
    return lambda *paths: [feature.value["text"] for feature in run([Request(WHISPER, path) for path in paths])]


def clips(count: int) -> list[Path]:
    return [sample.truth for sample in testsets.load("seed-mini").samples[:count] if sample.truth]


def test_long_audio_is_cut_in_silence_and_nothing_is_lost() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 70 * RATE).astype(np.float32)
    wave[int(27.3 * RATE) : int(27.6 * RATE)] = 0
    found = pieces(wave)
    assert len(found) == 3 and max(map(len, found)) <= LENGTH
    assert np.array_equal(np.concatenate(found), wave)
    assert 27.3 * RATE <= len(found[0]) <= 27.6 * RATE
    assert [len(each) for each in pieces(wave[:LENGTH])] == [LENGTH]


def test_speech_after_thirty_seconds_is_heard(listen, tmp_path: Path) -> None:
    (clip,) = clips(1)
    said = audio.read_at(clip, RATE)
    audio.write(tmp_path / "late.wav", np.concatenate([said, np.zeros(30 * RATE, np.float32), said]), RATE)
    once, twice = (rules("whisper-en")(text).split() for text in listen(clip, tmp_path / "late.wav"))
    assert len(once) > 2 and twice[-2:] == once[-2:] and len(twice) >= 2 * len(once) - 1


def test_a_transcript_does_not_depend_on_its_batch(listen) -> None:
    files = clips(3)
    assert listen(*files) == [text for file in files for text in listen(file)] == listen(*files[::-1])[::-1]


@pytest.fixture(scope="module")
def variants(tmp_path_factory) -> dict[str, Path]:
    """One clip as it is, at a quarter of its level, between two seconds of silence, with two channels, at 24 kHz."""
    (clip,) = clips(1)
    said, folder = audio.read_at(clip, RATE), tmp_path_factory.mktemp("variants")
    silence = np.zeros(RATE, np.float32)
    made = {
        "plain": (said, RATE),
        "quiet": (said / 4, RATE),
        "padded": (np.concatenate([silence, said, silence]), RATE),
        "stereo": (np.stack([said * 1.5, said * 0.5], axis=1), RATE),
        "fast": (audio.resample(said, RATE, 24000), 24000),
    }
    for name, (wave, rate) in made.items():
        soundfile.write(folder / f"{name}.wav", wave, rate, subtype="FLOAT")
    return {name: folder / f"{name}.wav" for name in made}


def test_whisper_hears_the_same_words_at_any_level_rate_and_padding(listen, variants) -> None:
    texts = {rules("whisper-en")(text) for text in listen(*variants.values())}
    assert len(texts) == 1 and "" not in texts


@pytest.mark.parametrize(
    ("judge", "settings", "key", "level", "padding"),
    [  # whether the value changes with the level, and with silence at the ends (None: hardly)
        (DISTILL, {}, "distillmos", False, True),
        ("quality.dnsmos", {"what": "p835", "resampling": "soxr"}, "ovrl", True, None),
        ("quality.dnsmos", {"what": "p808", "resampling": "soxr"}, "p808", False, True),
        ("speakers.ge2e", {}, "vector", True, False),
    ],
)
def test_what_changes_a_value_is_what_the_protocol_says(judge, settings, key, level, padding, variants) -> None:
    run = extractor(judge).load(settings, "cpu")
    values = {name: run([Request(judge, path)])[0].value for name, path in variants.items()}
    if key == "vector":
        plain = unpack(values["plain"])
        apart = {name: 1 - float(unpack(value) @ plain) for name, value in values.items()}
    else:
        apart = {name: abs(value[key] - values["plain"][key]) for name, value in values.items()}
    assert apart["stereo"] < 0.002, "channels are averaged"
    assert apart["fast"] < 0.1, "brought to 16 kHz; the filter takes a little at 8 kHz"
    assert (apart["quiet"] > 0.02) == level, apart
    assert padding is None or (apart["padded"] > 0.02) == padding, apart


def test_ge2e_raises_what_is_below_minus_30_dbfs_and_no_more(variants, tmp_path) -> None:
    said, rate = audio.read(variants["plain"])
    level = 20 * np.log10(np.sqrt(np.mean(said**2)))
    for name, wanted in (("soft", -35), ("softer", -45), ("loud", -26)):
        soundfile.write(tmp_path / f"{name}.wav", said * 10 ** ((wanted - level) / 20), rate, subtype="FLOAT")
    run = extractor("speakers.ge2e").load({}, "cpu")
    requests = [Request("speakers.ge2e", tmp_path / f"{name}.wav") for name in ("soft", "softer", "loud")]
    soft, softer, loud = (unpack(feature.value) for feature in run(requests))
    assert soft @ softer == pytest.approx(1, abs=1e-4) and soft @ loud < 0.999


def test_distillmos_equals_its_package(tmp_path: Path) -> None:
    import torch
    from distillmos import ConvTransformerSQAModel

    (clip,) = clips(1)
    said = audio.read_at(clip, RATE)
    theirs = ConvTransformerSQAModel().eval()
    ours = extractor(DISTILL).load({}, "cpu")
    for seconds in (2.0, 9.5):  # padded with zeros; three windows
        wave = np.resize(said, round(seconds * RATE))
        soundfile.write(tmp_path / "clip.wav", wave, RATE, subtype="FLOAT")
        with torch.inference_mode():
            wanted = float(theirs(torch.from_numpy(wave)[None]))
        (found,) = ours([Request(DISTILL, tmp_path / "clip.wav")])
        assert found.value["distillmos"] == pytest.approx(wanted, abs=1e-4)


def test_fallback_with_a_beam_hears_the_same_clean_words_twice() -> None:
    settings = {**TINY, "decoding": "fallback", "beam": "5"}
    run = extractor(WHISPER).load(settings, "cpu")
    (clip,) = clips(1)
    first, again = (run([Request(WHISPER, clip)])[0].value for _ in range(2))
    plain = extractor(WHISPER).load(TINY, "cpu")([Request(WHISPER, clip)])[0].value
    assert first == again
    assert rules("whisper-en")(first["text"]) == rules("whisper-en")(plain["text"])


@pytest.mark.parametrize(("device", "asked"), [("cpu", ("cpu", 0, "int8")), ("cuda:1", ("cuda", 1, "float16"))])
def test_the_device_decides_the_arithmetic(device: str, asked: tuple[str, int, str], monkeypatch) -> None:
    import faster_whisper

    made = []

    class Stop(Exception):
        pass

    def record(place: str, **kept: object) -> None:
        made.append((kept["device"], kept["device_index"], kept["compute_type"]))
        raise Stop

    monkeypatch.setattr(faster_whisper, "WhisperModel", record)
    with pytest.raises(Stop):
        extractor(WHISPER).load(TINY, device)
    assert made == [asked]
