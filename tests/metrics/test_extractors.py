"""The embedded extractors against the packages their models come from, and against broken files."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.metrics import extractor
from ttsbench.metrics.models import unpack
from ttsbench.records import Request

SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DATA = SHARED / "data"
SPEECH = DATA / "librispeech-test-other" / "1688"
SETTINGS = {
    "recognisers.faster_whisper": {"model": "faster-whisper-tiny.en"},
    "quality.dnsmos": {"what": "p808", "resampling": "soxr"},
    "quality.pair": {"what": "pesq"},
}
needs_speech = pytest.mark.skipif(not SPEECH.is_dir(), reason="needs ../shared/data/librispeech-test-other")


def shortest(count):
    return sorted(SPEECH.parent.rglob("*.flac"), key=lambda path: soundfile.info(path).duration)[:count]


@needs_speech
def test_ge2e_equals_resemblyzer():
    package = pytest.importorskip("resemblyzer")
    encoder = package.VoiceEncoder("cpu", verbose=False)
    ours = extractor("speakers.ge2e").load({}, "cpu")
    files = shortest(3)
    for path, feature in zip(files, ours([Request("speakers.ge2e", path) for path in files]), strict=True):
        theirs = encoder.embed_utterance(package.preprocess_wav(path))
        assert np.abs(unpack(feature.value) - theirs).max() < 1e-6


@needs_speech
def test_dnsmos_equals_speechmos():
    package = pytest.importorskip("speechmos.dnsmos")
    files = shortest(1)
    theirs = [package.run(str(path), 16000) for path in files]
    for what, keys in (("p835", ("sig", "bak", "ovrl")), ("p808", ("p808",))):
        ours = extractor("quality.dnsmos").load(SETTINGS["quality.dnsmos"] | {"what": what}, "cpu")
        for feature, row in zip(ours([Request("quality.dnsmos", path) for path in files]), theirs, strict=True):
            for key in keys:
                assert feature.value[key] == pytest.approx(float(row[f"{key}_mos"]), abs=1e-4)


def test_mel_equals_librosa():
    librosa = pytest.importorskip("librosa")
    from ttsbench.mel import decibels, mel_power

    samples = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    for size, bands in ((400, 40), (321, 120)):
        theirs = librosa.feature.melspectrogram(y=samples, sr=16000, n_fft=size, hop_length=160, n_mels=bands)
        ours = mel_power(samples, 16000, size, 160, bands)
        assert np.allclose(ours, theirs.T, rtol=1e-4, atol=1e-7)
        assert np.allclose(decibels(ours), librosa.power_to_db(theirs, ref=np.max).T, atol=1e-3)


pesq_pair = pytest.mark.skipif(not (DATA / "pesq").is_dir(), reason="needs ../shared/data/pesq")


def pair(what, audio, reference):
    module = extractor("quality.pair")
    return module.load({"what": what}, "cpu")([Request("quality.pair", audio, reference=reference)])[0]


@pesq_pair
def test_pesq_and_stoi_golden_values():
    clean, noisy = DATA / "pesq" / "speech.wav", DATA / "pesq" / "speech_bab_0dB.wav"
    found = pair("pesq", noisy, clean).value
    assert found["wb"] == pytest.approx(1.0832337, abs=5e-6)
    assert found["nb"] == pytest.approx(1.6072081, abs=5e-6)
    found = pair("stoi", noisy, clean).value
    assert found["stoi"] == pytest.approx(0.67391779, abs=5e-7)
    assert found["estoi"] == pytest.approx(0.39045, abs=5e-6)
    same = pair("pesq", clean, clean).value
    assert (same["wb"], same["nb"]) == (pytest.approx(4.643888, abs=5e-6), pytest.approx(4.548638, abs=5e-6))
    assert pair("stoi", clean, clean).value["stoi"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.skipif(not (DATA / "ljspeech").is_dir(), reason="needs ../shared/data/ljspeech")
def test_mp3_against_wav():
    mp3, wav = DATA / "ljspeech" / "LJ001-0004.mp3", DATA / "ljspeech" / "LJ001-0004.wav"
    assert pair("pesq", mp3, wav).value["wb"] == pytest.approx(3.39857, abs=5e-4)
    assert pair("stoi", mp3, wav).value["stoi"] == pytest.approx(0.98909, abs=5e-5)


EMBEDDED = [
    "recognisers.faster_whisper",
    "speakers.ge2e",
    "quality.dnsmos",
    "quality.distillmos",
    "quality.pair",
    "quality.duration",
]


@pytest.mark.parametrize("name", EMBEDDED)
def test_broken_files_are_errors_of_their_own_row(name, tmp_path):
    rate = 16000
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "good.wav", rng.normal(0, 0.05, 2 * rate), rate)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("this is no audio")
    soundfile.write(tmp_path / "header.wav", np.zeros(0), rate)
    soundfile.write(tmp_path / "nan.wav", np.full(rate, np.nan), rate, subtype="FLOAT")
    broken = [tmp_path / f"{stem}.wav" for stem in ("missing", "empty", "text", "header", "nan")]
    run = extractor(name).load(SETTINGS.get(name, {}), "cpu")
    features = run([Request(name, path, reference=tmp_path / "good.wav") for path in broken])
    for path, feature in zip(broken, features, strict=True):
        assert str(path) in feature.error and not feature.value


@pytest.mark.parametrize("name", EMBEDDED)
def test_silence_and_one_sample_never_crash_or_give_nan(name, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(9600), 16000)
    soundfile.write(tmp_path / "tiny.wav", np.full(1, 0.5), 16000)
    run = extractor(name).load(SETTINGS.get(name, {}), "cpu")
    for stem in ("silent", "tiny"):
        path = tmp_path / f"{stem}.wav"
        (feature,) = run([Request(name, path, reference=path)])
        assert bool(feature.error) != bool(feature.value)
        assert all(value == value for value in feature.value.values())


def test_identity_names_version_and_weights():
    for name in EMBEDDED:
        found = extractor(name).identity(SETTINGS.get(name, {}))
        assert found["model"] and all(isinstance(value, str) and value for value in found.values())


def test_unknown_extractor_is_named():
    with pytest.raises(ValueError, match=r"no extractor 'recognisers\.nobody'"):
        extractor("recognisers.nobody")


@pesq_pair
def test_narrow_band_pesq_at_8_khz():
    """The other reading of `nb`, both signals resampled first, which some tools publish."""
    from pesq import pesq

    from ttsbench.audio import read_at

    clean, noisy = (read_at(DATA / "pesq" / name, 8000) for name in ("speech.wav", "speech_bab_0dB.wav"))
    assert pesq(8000, clean, noisy, "nb") == pytest.approx(1.6654, abs=5e-5)
