"""What each measure answers for good, missing and inapplicable items."""

from pathlib import Path

import numpy as np
import pytest

from ttsbench import metrics, stats
from ttsbench.benchmark import speaks
from ttsbench.metrics.models import pack
from ttsbench.metrics.wer import wer
from ttsbench.records import Card, Chunk, Feature, Item, Sample, Synthesis, TestSet

CARD = Card("test")
TIMED = Synthesis("a", "audio/a.flac", seconds=2.0, sample_rate=100, total=1.0, audible=0.4, chunks=(Chunk(0.3, 200),))
RECORDED = Synthesis("a", "audio/a.flac", seconds=2.0, sample_rate=100)


def columns():
    return {each.metric.name: each for each in metrics.protocol("embedded").measures}


def item(synthesis=TIMED, audio=Path("/o.wav"), resynthesis=None, **fields):
    fields = {"id": "a", "text": "hello there", "prompt": Path("/p.wav"), "truth": Path("/t.wav"), **fields}
    return Item(Sample(**fields), synthesis, CARD, audio, resynthesis)


def test_wer_counts_and_keeps_both_strings():
    measure = columns()["wer"]
    score = measure.score(item(text="Hello, there 2!"), (Feature({"text": "hello there too"}),))
    assert score.value == pytest.approx(1 / 3)
    assert score.weight == 3
    assert score.detail["reference"] == "hello there 2"
    assert score.detail["hypothesis"] == "hello there too"
    assert score.detail["substitutions"] == 1


@pytest.mark.parametrize("name", ["wer", "cer"])
def test_missing_output_is_the_worst_rate(name):
    measure = columns()[name]
    gone = item(Synthesis("a", error="the server answered 500"), None)
    assert measure.na(gone) == "" and measure.requests(gone) == ()
    score = measure.score(gone, ())
    assert (score.value, score.error) == (1.0, "the server answered 500")
    unread = measure.score(item(), (Feature(error="o.wav: empty"),))
    assert (unread.value, unread.error) == (1.0, "o.wav: empty")


def test_other_columns_have_no_worst_value():
    gone = item(Synthesis("a", error="crashed", total=1.0), None, Path("/r.wav"))
    for name, measure in columns().items():
        if name not in ("wer", "cer") and not measure.na(gone):
            score = measure.score(gone, tuple(Feature() for _ in measure.requests(gone)))
            assert score.value is None and score.error == "crashed", name


def test_chinese_has_characters_only_and_simplified_ones():
    chinese = item(language="zh", text="这个城市，真的很美。")
    assert "zh" in columns()["wer"].na(chinese) and columns()["cer"].na(chinese) == ""
    (request,) = columns()["cer"].requests(chinese)
    assert dict(request.settings)["language"] == "zh"
    score = columns()["cer"].score(chinese, (Feature({"text": "這個城市真的很好"}),))
    assert (score.value, score.weight) == (pytest.approx(1 / 8), 8)


def test_a_second_recogniser_marks_rows_and_changes_no_value():
    measure = columns()["wer"]
    first, second = measure.requests(item())
    assert [dict(each.settings)["model"] for each in (first, second)] == [
        "faster-whisper-base",
        "faster-whisper-tiny.en",
    ]
    row = item(text="one white paper here")
    heard = Feature({"text": "One white paper here."})
    near = measure.score(row, (heard, Feature({"text": "one white paper hear"})))
    assert near.value == 0 and "unsure" not in near.detail and near.detail["second"] == "one white paper hear"
    apart = measure.score(row, (heard, Feature({"text": "one wide paper hear"})))
    assert apart.value == 0 and "50 %" in apart.detail["unsure"]
    alone = measure.score(row, (heard, Feature(error="it broke")))
    assert alone.value == 0 and not alone.error and "second" not in alone.detail


def test_currency_is_heard_alike_in_digits_and_words():
    found = columns()["wer"].score(item(text="It costs five dollars."), (Feature({"text": "It costs $5."}),))
    assert found.value == 0


def test_the_first_table_has_one_number_of_dnsmos():
    headlines = {name for name, each in columns().items() if each.metric.headline}
    assert {"wer", "distillmos", "dnsmos-ovrl"} <= headlines
    assert not headlines & {"dnsmos-sig", "dnsmos-bak", "dnsmos-p808"} and "dnsmos-sig" in columns()


def test_continuation_cuts_the_prompt_but_not_from_a_transcript_that_holds_it():
    whole = item(task="continuation", prompt_seconds=3.0)
    assert [each.start for each in columns()["wer"].requests(whole)] == [0.0, 0.0]
    known = columns()["wer"].requests(item(task="continuation", prompt_seconds=3.0, prompt_text="well"))
    assert [each.start for each in known] == [3.0, 3.0]
    output, prompt = columns()["sim-o"].requests(whole)
    assert (output.start, prompt.start) == (3.0, 0.0)
    output, truth = columns()["length-ratio"].requests(whole)
    assert (output.start, truth.start) == (3.0, 3.0)


def test_sim_anchors():
    sim = columns()["sim-o"]
    assert sim.requests(item())[1].audio == Path("/p.wav")
    assert sim.requests(item(task="resynthesis", prompt=None))[1].audio == Path("/t.wav")
    assert sim.na(item(prompt=None)) and columns()["sim-r"].na(item())
    assert columns()["sim-r"].requests(item(resynthesis=Path("/r.wav")))[1].audio == Path("/r.wav")
    one, two = Feature(pack(np.array([1.0, 0.0]))), Feature(pack(np.array([1.0, 1.0])))
    assert sim.score(item(), (one, two)).value == pytest.approx(0.707107)


def test_an_embedding_of_zeros_is_an_error_and_a_cosine_is_never_above_one():
    zero, one = Feature(pack(np.zeros(3))), Feature(pack(np.array([0.1, 0.2, 0.3])))
    score = columns()["sim-o"].score(item(), (zero, one))
    assert score.value is None and "zero" in score.error
    assert columns()["sim-o"].score(item(), (one, one)).value == 1.0
    broken = columns()["sim-o"].score(item(), (one, Feature(error="p.wav: empty")))
    assert (broken.value, broken.error) == (None, "p.wav: empty")


def test_intrusive_measures_apply_to_round_trips_only():
    for name in ("pesq-wb", "pesq-nb", "stoi", "estoi"):
        assert "not aligned" in columns()[name].na(item())
        trip = item(task="resynthesis")
        assert columns()[name].na(trip) == ""
        assert columns()[name].requests(trip)[0].reference == Path("/t.wav")


def test_timing():
    found = {name: columns()[name].score(item(), ()) for name in ("rtf", "first-chunk", "first-audible", "stalls")}
    assert [each.value for each in found.values()] == [0.5, 0.3, 0.4, 0.0]
    assert found["rtf"].weight == 2.0
    for name in found:
        assert columns()[name].na(item(RECORDED))
    silent = Synthesis("a", seconds=1.0, sample_rate=100, total=1.0, chunks=(Chunk(0.1, 100),))
    assert "audible" in columns()["first-audible"].score(item(silent), ()).error


def cell_of(name, items, features=lambda item: ()):
    measure = columns()[name]
    return stats.cell(measure.metric, [measure.score(each, features(each)) for each in items])


def test_the_headline_rtf_is_the_ratio_of_sums():
    long = Synthesis("b", "audio/b.flac", seconds=6.0, sample_rate=100, total=6.0, chunks=(Chunk(0.3, 600),))
    cell = cell_of("rtf", [item(), item(long, id="b")])  # 1 s for 2 s, 6 s for 6 s
    assert cell.value == pytest.approx(7 / 8) and cell.mean == pytest.approx(0.75)


def test_a_missing_output_weighs_as_much_as_its_text_in_the_corpus_rate():
    measure = wer("recognisers.faster_whisper", {"en": "plain-en"}, shown="corpus")
    good = measure.score(item(text="one two"), (Feature({"text": "one two"}),))
    gone = measure.score(item(Synthesis("b", error="crashed"), None, id="b", text="a b c d e f"), ())
    assert (gone.value, gone.weight) == (1.0, 6.0)
    cell = stats.cell(measure.metric, [good, gone])
    assert cell.value == pytest.approx(6 / 8) and cell.mean == pytest.approx(0.5) and cell.failed == 1


def test_the_length_ratio_is_output_over_recording():
    both = (Feature({"seconds": 3.0}), Feature({"seconds": 2.0}))
    score = columns()["length-ratio"].score(item(), both)
    assert (score.value, score.weight) == (1.5, 2.0)
    assert "no recording" in columns()["length-ratio"].na(item(truth=None))


def test_a_wrong_language_is_not_asked_of_a_recogniser_and_counts_nowhere():
    measure = columns()["wer"]
    cell = cell_of("wer", [item(text="hello")], lambda _: (Feature({"text": "hello"}),))
    assert (cell.value, cell.asked) == (0.0, 1)
    assert measure.na(item(language="fr")) and not measure.na(item(language="en"))


@pytest.mark.parametrize(
    ("languages", "speaks_english", "speaks_chinese"),
    [(("en",), True, False), (("zh", "fr"), False, True), (("*",), True, True), ((), False, False)],
)
def test_a_system_is_asked_for_its_languages_only(languages, speaks_english, speaks_chinese):
    card = Card("x", languages=languages)
    english = TestSet("e", (Sample("a", "x"),), "", "")
    mixed = TestSet("m", (Sample("a", "x", "de"), Sample("b", "x", "zh")), "", "")
    assert (speaks(card, english), speaks(card, mixed)) == (speaks_english, speaks_chinese)


def test_names_are_unique_and_safe_in_file_names():
    for protocol in map(metrics.protocol, metrics.protocol_names()):
        names = [each.metric.name for each in protocol.measures]
        assert len(set(names)) == len(names)
        assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)
        assert protocol.explain and protocol.version >= 1


UNCITED = ("intelligibility", "speed", "similarity", "checks", "prosody")  # families of plain rules


def test_every_card_is_complete():
    for protocol in map(metrics.protocol, metrics.protocol_names()):
        for card in (each.metric for each in protocol.measures):
            assert card.title and card.about and card.better in ("higher", "lower", "neither"), card
            assert card.family in (*UNCITED, "quality", "cost"), card
            assert card.low is None or card.high is None or card.low < card.high
            assert card.citation or card.family in UNCITED, card


def test_unknown_protocol_lists_the_known():
    with pytest.raises(ValueError, match="embedded"):
        metrics.protocol("nothing")


def test_the_front_is_light():
    import subprocess
    import sys

    code = (
        "import sys, ttsbench.metrics as m; [m.protocol(n) for n in m.protocol_names()];"
        "print([n for n in ('torch', 'numpy', 'librosa', 'onnxruntime', 'jiwer', 'transformers') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
