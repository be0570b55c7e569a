"""Protocol rvcbench: text in words, SIM with the recording, the whole file heard, UTMOS through 24 kHz."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ttsbench import metrics
from ttsbench.metrics.models import pack
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import compare
from ttsbench.records import Card, Feature, Item, Request, Sample, Synthesis


def columns():
    return {each.metric.name: each for each in metrics.protocol("rvcbench").measures}


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [("Don't, he said.", "dont he said", 0), ("fifty people", "50 people", 0.5),
     ("a well-known man", "a well known man", 2 / 3)],
)  # fmt: skip
def test_english_words(reference, hypothesis, rate):
    assert compare(reference, hypothesis, rules("rvcbench-en"))[2].rate == pytest.approx(rate)


def test_chinese_is_counted_in_words_of_jieba():
    pytest.importorskip("jieba", reason="Chinese words are cut by jieba, in extra 'paper'")
    pytest.importorskip("opencc", reason="Chinese needs opencc, in extra 'paper'")
    left, right, counts = compare("我来到北京清华大学。", "我來到 北京大學", rules("rvcbench-zh"))
    assert left == "我 来到 北京 清华大学" and right == "我 来到 北京大学"
    assert (counts.length, counts.errors) == (4, 2)


def test_similarity_is_with_the_recording_and_a_threshold_makes_a_share():
    sample = Sample("a", "x", prompt=Path("/prompt"), truth=Path("/truth"))
    item = Item(sample, Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    assert [each.audio for each in columns()["sim"].requests(item)] == [Path("/a"), Path("/truth")]
    near, far = (Feature(pack(np.array(each, dtype=np.float32))) for each in ([1, 0.2], [0.2, -1]))
    assert columns()["sva"].score(item, (near, near)).value == 1.0
    assert columns()["sva"].score(item, (near, far)).value == 0.0
    bare = Item(Sample("a", "x", prompt=Path("/p")), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    assert "no recording" in columns()["sim"].na(bare)


def test_utmos_goes_through_24_khz():
    item = Item(Sample("a", "x"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    (request,) = columns()["utmos"].requests(item)
    assert dict(request.settings)["through"] == "24000"


def test_a_file_is_heard_to_its_end(tmp_path, monkeypatch):
    whisper = pytest.importorskip("whisper", reason="needs openai-whisper, in extra 'paper'")
    given = []

    def transcribe(model, wave, **options):
        given.append((len(wave), options))
        return {"text": " one two "}

    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path))
    dims = whisper.ModelDimensions(80, 1500, 8, 1, 1, 51865, 448, 8, 1, 1)
    state = {"dims": vars(dims), "model_state_dict": whisper.model.Whisper(dims).state_dict()}
    (tmp_path / "openai-whisper-medium").mkdir()
    torch.save(state, tmp_path / "openai-whisper-medium" / "medium.pt")
    monkeypatch.setattr(whisper, "transcribe", transcribe)
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(31 * 8000) / 5), 8000)
    settings = {"model": "openai-whisper-medium", "windows": "all", "language": "fr"}
    (found,) = metrics.extractor("recognisers.whisper_openai").load(settings)([Request("x", tmp_path / "a.wav")])
    assert found.value == {"text": "one two", "flags": []}
    ((samples, options),) = given
    assert samples == 31 * 16000 and options["language"] == "fr" and not options["condition_on_previous_text"]
