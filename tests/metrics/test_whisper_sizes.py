"""Whisper of any size, from wherever its files lie: a folder, the hub's cache, openai-whisper's cache.

Tiny.en's tensors stand for the other sizes; the code sees names, files and shapes alone.
"""

import os
import sys
import types

import pytest

from ttsbench import metrics, testsets
from ttsbench.metrics import extractor, weights
from ttsbench.metrics.text import rules
from ttsbench.records import Request

from . import whisper_tensors

pytest.importorskip("faster_whisper", reason="needs extra 'judges'")
FASTER, OPENAI = "recognisers.faster_whisper", "recognisers.whisper_openai"
HEADS = 6


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The files of tiny.en; every place in which weights are looked for is empty."""
    place = weights.find("faster-whisper-tiny.en")
    for name, folder in (("TTSBENCH_WEIGHTS", "weights"), ("HF_HUB_CACHE", "hub"), ("XDG_CACHE_HOME", "cache")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    return place


def clip():
    return next(sample.truth for sample in testsets.load("seed-mini").samples if sample.truth)


def hear(recogniser, model, **settings):
    run = extractor(recogniser).load({"model": model, "language": "en", **settings}, "cpu")
    (feature,) = run([Request(recogniser, clip())])
    assert not feature.error
    return feature.value["text"]


def test_folder_hub_cache_and_openai_checkpoint_hear_the_same(tiny, tmp_path):
    by_hand, kept = weights.folder("faster-whisper-small"), tmp_path / "cache" / "whisper"
    hub = tmp_path / "hub/models--Systran--faster-whisper-small/snapshots"
    hub /= weights.BY_NAME["faster-whisper-small"].revision
    for place in (by_hand, hub):
        place.mkdir(parents=True)
        for file in tiny.iterdir():
            os.symlink(file, place / file.name)
    kept.mkdir(parents=True)
    whisper_tensors.write_openai(whisper_tensors.read(tiny / "model.bin"), kept / "small.pt", HEADS)
    heard = {}
    for source, recogniser, model in (
        ("folder", FASTER, "faster-whisper-small"),
        ("hub cache", FASTER, "faster-whisper-small"),
        ("cache of openai-whisper", OPENAI, "openai-whisper-small"),
    ):
        assert weights.locate(model)[1] == source
        heard[source] = hear(recogniser, model)
        if source == "folder":
            for file in by_hand.iterdir():
                file.unlink()
    assert len({rules("whisper-en")(text) for text in heard.values()}) == 1 and all(heard.values()), heard


@pytest.mark.parametrize("decoding", ["windows", "fallback"])
def test_large_v3_hears_128_mel_bands_without_a_file_that_says_so(tiny, decoding):
    place = weights.folder("faster-whisper-large-v3")
    place.mkdir(parents=True)
    for file in tiny.iterdir():
        os.symlink(file, place / file.name) if file.name != "model.bin" else None
    whisper_tensors.widen(tiny / "model.bin", place / "model.bin", 128)
    assert not (place / "preprocessor_config.json").exists()
    assert isinstance(hear(FASTER, "faster-whisper-large-v3", decoding=decoding), str)


def test_f5_tts_asks_faster_whispers_own_transcribe_for_a_beam_of_five(tiny, monkeypatch):
    from ttsbench.records import Card, Item, Sample, Synthesis

    path = clip()
    item = Item(Sample("a", "text", "en"), Synthesis("a", str(path), seconds=1.0), Card("a"), path, None)
    column = next(each for each in metrics.protocol("f5-tts").measures if each.metric.name == "wer")
    (request,) = column.requests(item)
    assert request.extractor == FASTER
    asked = []

    class Recorded:
        def __init__(self, place, **told):
            self.model = types.SimpleNamespace(n_mels=128)

        def transcribe(self, wave, **told):
            asked.append(told)
            return [], None

    monkeypatch.setattr(sys.modules["faster_whisper"], "WhisperModel", Recorded)
    monkeypatch.setattr(weights, "find", lambda name: asked.append(name) or tiny)
    extractor(FASTER).load(dict(request.settings), "cpu")([request])
    assert asked == ["faster-whisper-large-v3", {"language": "en", "beam_size": 5}]
