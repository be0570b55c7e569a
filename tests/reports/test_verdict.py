"""The first lines of a page: who is best, how sure that is, and where the recogniser cannot be trusted."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ttsbench import reports
from ttsbench.records import Chunk, Score
from ttsbench.reports import verdict
from ttsbench.store import Run, write_lines

TEXTS = [f"sentence number {i} with a few more words in it" for i in range(60)]


def table(*runs):
    return reports.load(list(runs))[0]


def of(found, name):
    return next(each for each in found if each.metric.name == name)


@pytest.fixture
def pair(make_run, tmp_path):
    """pair(first name, its error, second name, its error) -> their table."""

    def made(*words):
        rows = enumerate(zip(words[::2], words[1::2], strict=True))
        return table(*(make_run(tmp_path, name, e, 0.7, TEXTS, sound=False, seed=seed) for seed, (name, e) in rows))

    return made


def test_the_leader_is_ahead_or_not_separable(pair):
    found = verdict.verdicts(pair("good", 0.02, "bad", 0.4))
    assert [each.question for each in found] == ["Intelligible?", "The same voice?", "Natural?", "Fast?"]
    wer = of(found, "wer")
    assert wer.leader == "good" and "%" in wer.value and not wer.equals
    assert re.fullmatch(r"[\d.]+ points ahead of bad \([\d.]+ to [\d.]+\)\.", wer.said[0])
    alike = of(found, "sim_o")  # both were drawn around one mean
    other = "bad" if alike.leader == "good" else "good"
    assert f"Not separable from {other}." in alike.said and alike.equals == (other,)
    told = verdict.sentence(found, 2)
    assert told.startswith("good is the most intelligible") and "These rows do not settle who is closest" in told


def test_one_system_is_compared_with_nobody(make_run, tmp_path):
    found = verdict.verdicts(table(make_run(tmp_path, "one", 0.1, 0.7, TEXTS, sound=False)))
    assert verdict.sentence(found, 1) == "" and all(each.said == [] for each in found)


def test_where_every_timing_is_of_a_busy_machine_nobody_is_the_fastest(make_run, tmp_path):
    runs = [make_run(tmp_path, name, 0.1, 0.7, TEXTS, sound=False) for name in ("one", "two")]
    for run in runs:
        rows = [replace(score, busy=True) for score in Run.open(run).scores("embedded", "rtf")]
        write_lines(run / "scores" / "embedded" / "rtf.jsonl", rows)
    found = verdict.verdicts(table(*runs))
    fast = of(found, "rtf")
    assert (fast.leader, fast.value) == ("", "not judged") and "fastest" not in verdict.sentence(found, 2)


def test_the_gap_to_the_recordings_is_said(pair):
    said = of(verdict.verdicts(pair("ground-truth", 0.02, "one", 0.3)), "wer").said
    assert re.fullmatch(r"[\d.]+ points above the recordings\.", said[-1])


@pytest.mark.parametrize(
    "truth, system, warned",
    [
        (0.02, 0.05, ""),
        (0.4, 0.5, "on the recordings themselves WER is"),
        (0.3, 0.0, "one scored better than the recordings"),
    ],
)
def test_the_recogniser_errs_on_the_recordings(pair, tmp_path, truth, system, warned):
    found = pair("ground-truth", truth, "one", system)
    assert (warned in verdict.recogniser_errs(found)) if warned else verdict.recogniser_errs(found) == ""
    reports.write_report([found], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert ("The recogniser errs here" in page) == bool(warned)


def test_a_failed_metric_gives_no_verdict(make_run, tmp_path):
    run = make_run(tmp_path, "one", 0.1, 0.7, TEXTS, sound=False)
    scores = Run.open(run).scores("embedded", "sim_o")
    write_lines(run / "scores" / "embedded" / "sim_o.jsonl", [Score(s.sample, error="no weights") for s in scores])
    assert "sim_o" not in [each.metric.name for each in verdict.verdicts(table(run))]


def test_the_page_begins_with_facts_and_links(make_run, tmp_path):
    run = make_run(tmp_path, "one", 0.1, 0.7, TEXTS, sound=False)
    out = tmp_path / "out"
    out.mkdir()
    (out / "leaderboard.html").write_text("")
    reports.write_report(reports.load([run]), out)
    page = (out / "report.html").read_text("utf-8")
    top = page[page.index("<h1>") : page.index('<table class="main"')]
    for fact in (
        "60 utterances, 10 speakers",
        "2026-01-01",
        "cpu",
        "ttsbench 0.1",
        "embedded version 1",
        "Intelligible?",
    ):
        assert fact in top, fact
    assert '<a href="leaderboard.html">' in top and '<a href="results.csv">' in top and "compare.html" not in top


def streamed(first, silence=0.0, late=()):
    """An output of two seconds in four chunks; `late`: chunks that come a second late."""
    at = [first + 0.1 * number + (1.0 if number in late else 0.0) for number in range(4)]
    chunks = tuple(Chunk(each, 8000) for each in at)
    return {"sample_rate": 16000, "seconds": 2.0, "chunks": chunks, "total": 2.0, "audible": first + silence}


def test_the_fastest_says_when_it_is_heard_whether_it_streams_and_stalls(make_run, tmp_path):
    made = make_run(tmp_path, "one", 0.1, 0.7, TEXTS, sound=False)
    rows = [
        replace(row, **streamed(0.3, 0.08, (2,) if n < 5 else ()))
        for n, row in enumerate(Run.open(made).syntheses.values())
    ]
    write_lines(made / "synth.jsonl", rows)
    (entry,) = table(made).entries
    assert verdict.begins(entry) == (
        "Heard after 0.38 s at the median, 0.08 s of it silence at the head; it streams, playback stalls on 5 of 60."
    )
    assert of(verdict.verdicts(table(made)), "rtf").said[-1] == verdict.begins(entry)
    said = "Playback would stall: one on 5 of 60 utterances, for 0.20 s at most."
    assert verdict.stalling(table(made)) == said
    page = reports.write_report(reports.load([made]), tmp_path).read_text("utf-8")
    assert said in page[: page.index('<table class="main"')]
    whole = [replace(row, chunks=(Chunk(1.99, 32000),), audible=1.99) for row in rows]
    write_lines(made / "synth.jsonl", whole)
    assert verdict.begins(table(made).entries[0]).endswith("0.00 s of it silence at the head; it does not stream.")
    assert verdict.stalling(table(made)) == ""
    write_lines(made / "synth.jsonl", [replace(row, chunks=(), audible=None) for row in rows])
    assert verdict.begins(table(made).entries[0]) == ""


def test_rows_on_which_two_recognisers_disagree_are_counted_among_the_facts(make_run, tmp_path):
    made = make_run(tmp_path, "one", 0.1, 0.7, TEXTS, sound=False)
    assert not any("recognisers" in fact for fact in verdict.facts(table(made)))
    rows = Run.open(made).scores("embedded", "wer")
    heard = [
        replace(row, detail={**row.detail, "second": "x", **({"unsure": "far"} if n < 7 else {})})
        for n, row in enumerate(rows)
    ]
    write_lines(made / "scores" / "embedded" / "wer.jsonl", heard)
    assert "two recognisers disagree on 7 of 60 rows" in verdict.facts(table(made))


@pytest.mark.parametrize(
    ("names", "said"),
    [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcde", "a, b, c and 2 more")],
)
def test_one_name_is_never_hidden_behind_a_count(names, said):
    assert verdict._some(list(names)) == said
