"""The first lines of a page: who is best, how sure that is, and where the recogniser cannot be trusted."""

from __future__ import annotations

import pytest

from ttsbench import reports
from ttsbench.records import Score
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
    assert wer.leader == "good" and " ahead of bad (" in wer.said and "%" in wer.value
    assert "not separable from" in of(found, "sim_o").said  # both were drawn around one mean


def test_the_gap_to_the_recordings_is_said(pair):
    said = of(verdict.verdicts(pair("ground-truth", 0.02, "one", 0.3)), "wer").said
    assert said.startswith("+") and said.endswith("against the recordings")


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
