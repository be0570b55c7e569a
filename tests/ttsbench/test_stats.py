"""Intervals, paired tests, corrections, agreement: against literature, simulation and other tools."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsbench import agreement, significance, stats
from ttsbench.records import Metric, Score

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "", shown="corpus")
SIM = Metric("sim_o", "SIM-o", "cosine", "higher", -1, 1, "similarity", "")


def rows(values, weights=None):
    weights = weights if weights is not None else [1.0] * len(values)
    return [
        Score(f"u{i}", None if v is None else float(v), float(w))
        for i, (v, w) in enumerate(zip(values, weights, strict=True))
    ]


def test_import_needs_no_scipy():
    code = "import sys, ttsbench.stats; sys.exit(any(name.startswith('scipy') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_cell_counts_mean_corpus_and_median():
    scores = [
        Score("a", 0.5, 2.0),
        Score("b", 0.0, 6.0),
        Score("c", 1.0, 2.0, error="no audio"),  # worst case: enters the mean, is not scored
        Score("d", None, error="recogniser failed"),  # asked, neither scored nor in the mean
        Score("e", na="no recogniser for zh"),
    ]
    cell = stats.cell(WER, scores)
    assert (cell.scored, cell.asked) == (2, 4)
    assert cell.mean == pytest.approx(0.5) and cell.corpus == pytest.approx(0.3) and cell.median == pytest.approx(0.5)
    assert cell.value == cell.corpus and cell.low <= cell.value <= cell.high
    assert stats.cell(SIM, scores).value == pytest.approx(0.5)


def test_cell_without_numbers_says_why():
    cell = stats.cell(WER, [Score("a", na="Chinese has no embedded recogniser")])
    assert cell.value is None and cell.asked == 0 and "Chinese" in cell.na
    failed = stats.cell(SIM, [Score("a", error="too short")])
    assert (failed.value, failed.scored, failed.asked, failed.na) == (None, 0, 1, "")
    assert stats.cell(SIM, []).na
    alone = stats.cell(SIM, [Score("a", 0.4)])
    assert alone.value == 0.4 and alone.low is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 50)), min_size=2, max_size=40))
def test_cell_properties(pairs):
    scores = rows([v for v, _ in pairs], [w for _, w in pairs])
    cell = stats.cell(WER, scores, resamples=200)
    values = [v for v, _ in pairs]
    assert min(values) - 1e-5 <= cell.low <= cell.high <= max(values) + 1e-5
    shuffled = stats.cell(WER, scores[::-1], resamples=200)
    assert shuffled.value == pytest.approx(cell.value) and stats.cell(WER, scores, resamples=200) == cell
    joined = stats.cell(WER, [*scores, Score("x", na="no")], resamples=200)
    assert joined == cell


def test_interval_covers_and_widens_with_clusters():
    rng = np.random.default_rng(1)
    clusters = {f"u{i}": f"s{i // 10}" for i in range(120)}
    inside = {"speaker": 0, "utterance": 0}
    for _ in range(400):
        speakers = rng.normal(0.6, 0.1, 12)
        scores = rows((speakers[:, None] + rng.normal(0, 0.05, (12, 10))).ravel())
        for name, groups in (("speaker", clusters), ("utterance", None)):
            cell = stats.cell(SIM, scores, groups, seed=7, resamples=2000)
            inside[name] += cell.low <= 0.6 <= cell.high
    assert stats.resampled(list(clusters), clusters) == "speaker"
    assert 366 <= inside["speaker"] <= 394  # 95 % of 400 is 380, plus or minus three deviations
    assert inside["utterance"] < 260  # ignoring the speakers is far too sure


def test_few_speakers_fall_back_to_utterances():
    few = {f"u{i}": f"s{i % 4}" for i in range(40)}
    assert stats.resampled(list(few), few) == "utterance"
    assert stats.resampled(list(few), {**few, "u3": ""}) == "utterance"
    scores = rows(np.linspace(0, 1, 40))
    assert stats.cell(SIM, scores, few) == stats.cell(SIM, scores)


def test_mean_interval_agrees_with_student():
    values = np.random.default_rng(0).normal(0, 1, 60)
    cell = stats.cell(SIM, rows(values), resamples=20000)
    student = scipy.stats.t.interval(0.95, 59, values.mean(), scipy.stats.sem(values))
    assert (cell.low, cell.high) == pytest.approx(student, abs=0.02)


def test_paired_difference_of_a_run_with_itself_is_nothing():
    scores = rows(np.random.default_rng(0).random(50))
    same = significance.paired(WER, scores, scores)
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_paired_agrees_with_the_t_test_and_pairs_by_id():
    rng = np.random.default_rng(3)
    a = rng.normal(0, 1, 80)
    b = a + rng.normal(0.1, 0.4, 80)
    found = significance.paired(SIM, rows(a), rows(b)[::-1], resamples=20000)
    assert found.value == pytest.approx((b - a).mean()) and found.pairs == 80
    assert found.p == pytest.approx(scipy.stats.ttest_rel(b, a).pvalue, abs=0.004)
    assert found.low < found.value < found.high
    unpaired = [Score("u0", None, error="gone"), *rows(b)[1:]]
    assert significance.paired(SIM, rows(a), unpaired).pairs == 79
    assert significance.paired(SIM, rows(a), []).p == 1.0


def test_paired_false_alarms_stay_at_the_stated_rate():
    rng = np.random.default_rng(5)
    words = rng.integers(5, 25, 60).astype(float)
    alarms = 0
    for trial in range(400):
        a, b = (rng.binomial(words.astype(int), 0.05) / words for _ in range(2))
        alarms += significance.paired(WER, rows(a, words), rows(b, words), seed=trial, resamples=300).p < 0.05
    assert 6 <= alarms <= 34  # 5 % of 400 is 20


def test_a_shift_of_every_speaker_by_the_same_amount_is_certain():
    scores = rows([0.25] * 20)
    assert significance.paired(SIM, scores, rows([0.5] * 20)).p == 0.0


def test_timings_agree_with_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.lognormal(0, 0.2, 40), rng.lognormal(0.3, 0.2, 50)
    rtf = Metric("rtf", "RTF", "", "lower", 0, None, "speed", "")
    found = significance.timings(rtf, rows(a), rows(b))
    assert found.p == pytest.approx(scipy.stats.mannwhitneyu(a, b).pvalue)
    assert found.ratio == pytest.approx(b.mean() / a.mean()) and found.ratio_low < found.ratio < found.ratio_high
    assert significance.timings(rtf, [], rows(b)).p == 1.0


def test_holm_on_the_textbook_example():
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([]) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_properties(p):
    adjusted = significance.holm(p)
    assert all(b >= a and b <= min(1.0, len(p) * a) + 1e-12 for a, b in zip(p, adjusted, strict=True))
    order = sorted(range(len(p)), key=lambda i: p[i])
    assert all(adjusted[i] <= adjusted[j] + 1e-12 for i, j in itertools.pairwise(order))


def test_ranks_share_where_nothing_is_significant():
    rng = np.random.default_rng(4)
    base = rng.normal(0.6, 0.05, 100)
    good, alike, bad = base, base + rng.normal(0, 0.05, 100), base - 0.1 + rng.normal(0, 0.02, 100)
    assert significance.ranks(SIM, [rows(bad), rows(good), rows(alike), []]) == [(3, 3), (1, 2), (1, 2), None]
    lower = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "")
    assert significance.ranks(lower, [rows(bad), rows(good), rows(alike)])[0] == (1, 1)


# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize("level, published", [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_equals_the_published_values(level, published):
    ratings = np.array(OBSERVERS, dtype=float)
    assert agreement.krippendorff(ratings, level) == pytest.approx(published, abs=0.0006)


def test_alpha_edges():
    assert agreement.alpha_ordinal(np.array([[1.0, 2, 3], [1, 2, 3]])) == pytest.approx(1.0)
    assert agreement.alpha_ordinal(np.full((3, 4), np.nan)) is None
    assert agreement.alpha_ordinal(np.ones((3, 4))) is None
    assert agreement.alpha_ordinal(np.array([[1.0, 2.0], [np.nan, np.nan]])) is None
    chance = np.random.default_rng(0).integers(1, 6, (2, 4000)).astype(float)
    assert abs(agreement.alpha_ordinal(chance)) < 0.04
    with pytest.raises(ValueError, match="ratio"):
        agreement.krippendorff(np.ones((2, 2)), "ratio")


# --- failed rows ----------------------------------------------------------------------------------------------------


def test_a_metric_that_failed_on_every_row_says_how_often_and_why():
    scores = [
        Score("a", error="quality.dnsmos: /runs/x/audio/a.flac: silent (peak under -72 dBFS)"),
        Score("b", error="the process died (SIGKILL)"),
        Score("c", error="quality.dnsmos: /runs/x/audio/c.flac: silent (peak under -72 dBFS)"),
        Score("d", na="no recording"),
    ]
    cell = stats.cell(SIM, scores)
    assert (cell.value, cell.asked, cell.scored, cell.failed, cell.na) == (None, 3, 0, 3, "")
    assert cell.reasons == (
        ("quality.dnsmos: a.flac: silent (peak under -72 dBFS)", 2),
        ("the process died (SIGKILL)", 1),
    )


def test_rows_counted_as_the_worst_case_are_failed_rows_of_a_number():
    cell = stats.cell(WER, [Score("a", 0.0, 4.0), Score("b", 1.0, 4.0, error="no output")])
    assert (cell.value, cell.asked, cell.scored, cell.failed) == (0.5, 2, 1, 1)
    assert cell.reasons == (("no output", 1),)
    assert stats.cell(WER, rows([0.1, 0.2])).reasons == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_value_that_is_no_number_is_a_failure_and_never_enters_the_mean(value):
    cell = stats.cell(SIM, [Score("a", 0.5), Score("b", value)])
    assert (cell.value, cell.scored, cell.failed, cell.asked) == (0.5, 1, 1, 2)
    assert "metric" in cell.reasons[0][0]


def test_a_corpus_value_without_any_weight_is_not_defined():
    cell = stats.cell(WER, [Score("a", 2.0, 0.0), Score("b", 0.0, 0.0)])
    assert cell.value is None and cell.failed == 0 and "weight" in cell.na and cell.mean == 1.0


def test_not_applicable_gives_the_commonest_reason():
    scores = [Score("a", na="no prompt"), Score("b", na="no recording"), Score("c", na="no recording")]
    assert stats.cell(SIM, scores).na == "no recording"


def test_the_interval_is_that_of_the_number_shown():
    scores = rows([0.0, 1.0] * 20, [9.0, 1.0] * 20)
    corpus = stats.cell(WER, scores)
    assert corpus.value == pytest.approx(0.1) and corpus.low < 0.1 < corpus.high < 0.3
    mean = stats.cell(SIM, scores)
    assert mean.value == pytest.approx(0.5) and 0.3 < mean.low < 0.5 < mean.high
