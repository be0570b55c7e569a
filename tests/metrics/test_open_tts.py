"""Protocol open-tts: which column a language has, missing rows in ours and theirs, RTFx, TTFA, what streams."""

from pathlib import Path

import pytest

from ttsbench import metrics, playback, stats
from ttsbench.metrics.timing import first_share, leading_silence, rtfx, ttfa
from ttsbench.records import Card, Chunk, Feature, Item, Sample, Synthesis


def columns():
    return {each.metric.name: each for each in metrics.protocol("open-tts").measures}


def item(language="en", text="hello there", **row):
    given = Synthesis("a", "a.wav", **row) if "error" not in row else Synthesis("a", **row)
    return Item(Sample("a", text, language), given, Card("x"), None if "error" in row else Path("/a"))


@pytest.mark.parametrize(
    ("language", "asked"),
    [("en", {"wer"}), ("de", {"wer"}), ("zh", {"cer", "cer-strict"}), ("yue", {"cer", "cer-strict"}),
     ("ko", {"cer", "cer-strict"}), ("th", {"cer"})],
)  # fmt: skip
def test_a_language_has_words_or_characters(language, asked):
    rates = {name: each for name, each in columns().items() if name in ("wer", "cer", "cer-strict")}
    assert {name for name, each in rates.items() if each.na(item(language)) == ""} == asked
    for name in asked:
        (request,) = rates[name].requests(item(language))
        assert request.extractor == "recognisers.qwen3_asr" and dict(request.settings)["language"] == language


def test_a_missing_row_counts_in_ours_and_not_in_theirs():
    pytest.importorskip("kaldialign", reason="compounds are merged by kaldialign, in extra 'paper'")
    pytest.importorskip("more_itertools", reason="Whisper's rules need openai-whisper, in extra 'paper'")
    good = columns()["wer"].score(item(), (Feature({"text": "hello there"}),))
    gone = columns()["wer"].score(item(error="crashed"), ())
    assert stats.cell(columns()["wer"].metric, [good, gone]).value == 0.5
    assert "leaves the row out" in columns()["wer-as-published"].na(item(error="crashed"))
    silent = columns()["wer-as-published"].score(item(), (Feature({"text": ""}),))
    assert silent.value == 1.0 and silent.detail["deletions"] == 2


def test_rtfx_of_a_set_is_a_ratio_of_sums():
    rows = [rtfx().score(item(seconds=seconds, total=total), ()) for seconds, total in ((2.0, 1.0), (6.0, 1.0))]
    assert stats.cell(rtfx().metric, rows).value == 4.0
    assert rtfx().score(item(seconds=1.0, total=0.0), ()).error == "the row's time is zero"


def test_a_stream_whose_chunks_come_at_the_end_is_none():
    early = item(sample_rate=10, seconds=1.0, total=2.0, chunks=(Chunk(0.2, 5), Chunk(2.0, 5)))
    late = item(sample_rate=10, seconds=1.0, total=2.0, chunks=(Chunk(1.96, 5), Chunk(2.0, 5)))
    whole = item(sample_rate=10, seconds=1.0, total=2.0, chunks=(Chunk(2.0, 10),))
    shares = [first_share().score(each, ()).value for each in (early, late, whole)]
    assert shares == pytest.approx([0.1, 0.98, 1.0])
    assert [playback.streams([share]) for share in shares] == [True, False, False]
    assert [ttfa().score(each, ()).value for each in (early, whole)] == [0.2, 2.0]


def test_the_verdict_takes_the_upper_middle_and_knows_an_empty_set():
    assert playback.streams([0.1, 0.96]) is False and playback.streams([0.1, 0.2, 0.96]) is True
    assert playback.streams([]) is None


def test_rows_with_whole_times_alone_are_not_asked_for_a_first_chunk():
    row = item(seconds=1.0, total=2.0)
    assert ttfa().na(row) == first_share().na(row) == "the times of single chunks are not kept"
    assert rtfx().na(row) == ""


def test_silence_at_the_head_is_split_off():
    row = item(sample_rate=10, seconds=1.0, total=2.0, chunks=(Chunk(0.2, 5), Chunk(2.0, 5)), audible=0.5)
    assert leading_silence().score(row, ()).value == pytest.approx(0.3)
    quiet = item(sample_rate=10, seconds=1.0, total=2.0, chunks=(Chunk(0.2, 5),))
    assert "audible" in leading_silence().score(quiet, ()).error
