"""The regression gate: what it catches, what it lets pass, what it refuses."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ttsbench.commands import calibrate
from ttsbench.records import Metric, Score
from ttsbench.reports.comparison import calibration, judge, output, thresholds
from ttsbench.reports.tables import ReportError
from ttsbench.significance import Difference
from ttsbench.store import Run

from .gate import TEXTS, add, change, drawn, marks


def test_a_run_against_itself_passes(base, copy):
    found = judge.compare([base], [copy()])
    assert (
        set(marks(found).values()) == {"="} and not found.regressions and "is not shown to be worse" in found.sentence()
    )
    assert "pesq" not in marks(found)  # asked of no row: nothing to say


def test_false_alarms_of_an_unchanged_system(copy):
    """100 repeated runs of one system: every metric drawn anew from the same distribution."""
    base, new, alarms = copy("old"), copy(), 0
    words = [len(text.split()) for text in TEXTS]
    only_significance = thresholds.parse("wer:0abs,sim_o:0abs,dnsmos:0abs,rtf:1x")  # only significance holds
    for seed in range(100):
        rng = np.random.default_rng(seed)
        for path in (base, new):
            for metric, draw in drawn(rng, words).items():
                change(path, metric, draw)
        alarms += bool(judge.compare([base], [new], only_significance, alpha=0.01, seed=seed).regressions)
    assert alarms <= 3  # 1 in 100 is stated, half of them in the worse direction; more than 3 has a chance of 0.2 %


def test_three_in_a_hundred_words_lost_is_caught(base, copy):
    rng = np.random.default_rng(0)
    new = copy()
    change(new, "wer", add(lambda i: float(rng.binomial(11, 0.03) / 11)))
    found = judge.compare([base], [new])
    row = next(row for row in found.rows if row.metric.name == "wer")
    assert row.mark == "+" and "WER on toy (worse)" in found.sentence()
    worst = row.worse[0]
    assert worst.after.value > worst.before.value and len(row.worse) <= judge.SHOWN_WORSE
    assert marks(judge.compare([new], [base]))["wer"] == "-"


def test_slowed_by_half_is_caught(base, copy):
    new = copy()
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 1.5, s.weight))
    found = judge.compare([base], [new])
    row = next(row for row in found.rows if row.metric.name == "rtf")
    assert row.mark == "+" and row.difference.ratio == pytest.approx(1.5)
    assert marks(judge.compare([base], [new], thresholds.parse("rtf:2x")))["rtf"] == "="


def test_both_gates_must_open(base, copy):
    sure, unsure = copy("sure"), copy("unsure")
    change(sure, "sim_o", add(lambda i: -0.005))  # every utterance, but too little to matter
    change(unsure, "sim_o", add(lambda i: -3.0 if i == 0 else 0.0))  # much, but one utterance alone
    assert marks(judge.compare([base], [sure]))["sim_o"] == "="
    assert marks(judge.compare([base], [unsure]))["sim_o"] == "~"
    assert marks(judge.compare([base], [sure], thresholds.parse("sim_o:-0.001abs")))["sim_o"] == "+"
    assert marks(judge.compare([base], [sure], thresholds.parse("sim_o:off")))["sim_o"] == "o"


@pytest.mark.parametrize(
    "metric, factor, mark",
    [
        ("pesq", 0.9, "+"),
        ("pesq", 1.1, "-"),
        ("pesq", 0.99, "="),
        ("rtf", 1.5, "+"),
        ("rtf", 0.6, "-"),
        ("rtf", 0.9, "="),
    ],
)
def test_a_factor_holds_in_both_directions(base, copy, metric, factor, mark):
    """PESQ falls by a tenth: worse, although the number is smaller; RTF falls: better."""
    old, new = copy("old"), copy("new")
    rng = np.random.default_rng(0)
    values = rng.uniform(2.0, 3.0, len(TEXTS))
    for path, by in ((old, 1.0), (new, factor)):
        change(path, metric, lambda i, s, by=by: Score(s.sample, float(values[i] * by), s.weight))
    found = judge.compare([old], [new])
    assert marks(found)[metric] == mark
    assert [row.metric.name for row in found.regressions] == ([metric] if mark == "+" else [])


def test_a_change_of_sign_is_beyond_any_factor():
    metric = Metric("sisdr", "SI-SDR", "dB", "higher", None, None, "quality", "")
    gap = Difference("sisdr", -5.0, 5.0, 10.0, None, None, 0.0, 9)
    assert thresholds.exceeds(metric, gap, thresholds.Threshold("ratio", 1.02))
    near = replace(gap, before=5.0, value=0.01, after=5.01)
    assert not thresholds.exceeds(metric, near, thresholds.Threshold("ratio", 1.02))


def test_off_switches_everything_of_a_metric_off(base, copy):
    new = copy()
    change(new, "dnsmos", lambda i, s: Score(s.sample, None, error="model missing"))
    found = judge.compare([base], [new], thresholds.parse("dnsmos:off"))
    assert marks(found)["dnsmos"] == "o" and found.passed and "switched off" in output.facts(
        next(row for row in found.rows if row.mark == "o"))  # fmt: skip


def test_failures_are_switched_off_or_counted(base, make_run, tmp_path):
    broken = make_run(tmp_path, "alpha", 0.1, 0.6, TEXTS, failed=(2, 9), sound=False)
    found = judge.compare([base], [broken], thresholds.parse("failures:off"))
    row = next(row for row in found.rows if row.metric.name == "failures")
    assert row.mark == "o" and row.difference is None and "switched off" in output.facts(row)
    with pytest.raises(ReportError, match=r"failures:1.2x: rows are counted; write failures:2abs"):
        judge.compare([base], [broken], thresholds.parse("failures:1.2x"))


def test_the_beginning_of_a_name_stands_for_all_its_metrics():
    off = thresholds.Threshold("off")
    known = {"wer", "wer-strict", "dnsmos-sig", "dnsmos-ovrl", "failures"}
    assert thresholds.by_metric({"dnsmos": off}, known) == {"dnsmos-sig": off, "dnsmos-ovrl": off}
    assert thresholds.by_metric({"wer": off}, known) == {"wer": off}
    tight = thresholds.Threshold("abs", 0.1)
    found = thresholds.by_metric({"dnsmos-sig": tight, "dnsmos": off}, known)
    assert found == {"dnsmos-sig": tight, "dnsmos-ovrl": off}


def test_test_sets_that_differ_are_told_apart(base, make_run, tmp_path):
    short = make_run(tmp_path / "a", "alpha", texts=TEXTS[:5], sound=False)
    run = Run.open(short)
    run.info["testset"] |= {"digest": "e2bd0009" + "1" * 24}
    run.save_info()
    assert "toy with 60 rows, toy with 5 rows" in judge.compare([base], [short]).rows[0].reason
    same = make_run(tmp_path / "b", "alpha", texts=TEXTS, sound=False)
    twin = make_run(tmp_path / "c", "alpha", texts=TEXTS, sound=False)
    for path, end in ((same, "1"), (twin, "2")):
        run = Run.open(path)
        run.info["testset"] |= {"digest": "e2bd0009" + end * 24}
        run.save_info()
    reason = judge.compare([same], [twin]).rows[0].reason
    assert "two versions of toy (their digests read 11111111 and 22222222 from sign 9)" in reason


def test_new_failures_and_repairs_are_marked(base, make_run, tmp_path):
    broken = make_run(tmp_path, "alpha", 0.1, 0.6, TEXTS, failed=(2, 9), sound=False)
    found = judge.compare([base], [broken])
    assert marks(found)["failures"] == "!" and found.rows[0].failing == ("utt-0002", "utt-0009")
    assert marks(judge.compare([base], [broken], thresholds.parse("failures:2abs")))["failures"] == "="
    assert marks(judge.compare([broken], [base]))["failures"] == "*"


def test_a_metric_that_stops_working_is_newly_failing(base, copy):
    new = copy()
    change(new, "dnsmos", lambda i, s: Score(s.sample, None, error="model missing"))
    assert marks(judge.compare([base], [new]))["dnsmos"] == "!"
    assert marks(judge.compare([new], [base]))["dnsmos"] == "*"


def test_a_metric_that_fails_on_some_rows_is_newly_failing_and_may_be_allowed(base, copy):
    new = copy()
    gone = {3, 8}
    change(new, "sim_o", lambda i, s: Score(s.sample, None, error="too short") if i in gone else s)
    found = judge.compare([base], [new])
    row = next(row for row in found.rows if row.metric.name == "sim_o")
    assert row.mark == "!" and row.failing == ("utt-0003", "utt-0008") and "too short (2)" in row.reason
    assert row.difference.pairs == 58 and not found.passed
    assert marks(judge.compare([base], [new], thresholds.parse("failures:2abs")))["sim_o"] == "="
    assert marks(judge.compare([base], [new], thresholds.parse("failures:off")))["sim_o"] == "="
    change(
        new, "sim_o", lambda i, s: Score(s.sample, None, error="too short") if i in gone else add(lambda _: -0.3)(i, s)
    )
    assert marks(judge.compare([base], [new]))["sim_o"] == "+"  # the rest got worse as well


def test_rows_that_share_no_number_are_not_fine(base, copy):
    old, new = copy("old"), copy("new")
    for path, parity in ((old, 0), (new, 1)):
        change(path, "sim_o", lambda i, s, p=parity: s if i % 2 == p else Score(s.sample, na="not asked"))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "sim_o")
    assert row.mark == "x" and row.reason == "no row has a number on both sides"


def judged_by(path, **identity):
    """The run as scored by that model."""
    run = Run.open(path)
    about = run.protocol("embedded") | {"judges": {"wer": {"whisper en": {"model": "base", "version": "1"} | identity}}}
    run.write_scores(about, {}, run.metrics("embedded"))
    return path


def test_another_judge_is_refused_and_another_version_of_it_is_noted(base, copy):
    old = judged_by(copy("old"))
    found = judge.compare([old], [judged_by(copy("tiny"), model="tiny")])
    assert marks(found)["wer"] == "x" and marks(found)["sim_o"] == "="
    reason = "judged by two models: whisper en with model base and tiny: score BASE again"
    assert next(row for row in found.rows if row.metric.name == "wer").reason == reason
    found = judge.compare([old], [judged_by(copy("later"), version="2")])
    assert marks(found)["wer"] == "=" and "whisper en ran as 1 in BASE and 2 in NEW" in found.notes[0]
    assert marks(judge.compare([base], [old]))["wer"] == "="  # a run that does not say


def test_refuses_what_cannot_be_compared(base, make_run, tmp_path):
    other_box = make_run(tmp_path / "a", "alpha", texts=TEXTS, machine="another", sound=False)
    found = judge.compare([base], [other_box])
    assert marks(found)["rtf"] == "x" and marks(found)["wer"] != "x"
    assert "different machines" in next(row.reason for row in found.rows if row.mark == "x")
    assert marks(judge.compare([base], [other_box], across_machines=True))["rtf"] != "x"
    newer = make_run(tmp_path / "b", "alpha", texts=TEXTS, protocol_version=2, sound=False)
    assert {mark for name, mark in marks(judge.compare([base], [newer])).items() if name != "failures"} == {"x"}
    elsewhere = make_run(tmp_path / "c", "alpha", texts=TEXTS, testset="other", sound=False)
    found = judge.compare([base], [elsewhere])
    assert {row.mark for row in found.rows} == {"x"} and "test sets differ" in found.rows[1].reason
    assert not found.passed and found.sentence().startswith("Nothing could be compared of alpha@other (the test sets")
    suite = ET.fromstring(output.junit(found).encode())
    assert suite.get("errors") == "1" and "test sets differ" in suite.find(".//error").get("message")
    unscored = make_run(tmp_path / "d", "alpha", texts=TEXTS, protocol="another", sound=False)
    assert not judge.compare([base], [unscored]).passed and not judge.compare([base], [newer]).passed


def test_campaign_folders_are_paired_by_system_and_test_set(make_run, tmp_path):
    for side in ("x", "y"):
        for name in ("alpha", "beta", "ground-truth"):
            make_run(tmp_path / side, name, testset="toy", sound=False)
    make_run(tmp_path / "y", "gamma", sound=False)
    found = judge.compare([tmp_path / "x" / "runs"], [tmp_path / "y" / "runs"])
    assert len(found.rows) == 2 * len({row.metric.name for row in found.rows})
    assert found.notes == ["gamma@toy is only on one side"] and found.passed
    assert [found.rows[0].where, found.rows[-1].where] == ["alpha on toy", "beta on toy"]
    with pytest.raises(ReportError, match="share no system"):
        judge.compare([tmp_path / "x" / "runs"], [make_run(tmp_path / "z", "delta", sound=False)])


@pytest.mark.parametrize("text", ["wer", "wer:+0.5", "wer:fast", "rtf:0.9x", "wer:+1abs;rtf:2x"])
def test_wrong_thresholds_are_named(text):
    with pytest.raises(ReportError, match="--fail-on"):
        thresholds.parse(text)


def test_unknown_metric_in_fail_on_is_named(base, copy):
    with pytest.raises(ReportError, match="no such metric here; did you mean wer"):
        judge.compare([base], [copy()], thresholds.parse("werr:+1abs"))
    with pytest.raises(ReportError, match="no such metric here; there are"):
        judge.compare([base], [copy("other")], thresholds.parse("loudness:off"))
    assert thresholds.parse("rtf:5%")["rtf"] == thresholds.Threshold("ratio", 1.05)


def test_calibration_widens_the_gate(make_run, base, copy, tmp_path):
    repeats = [make_run(tmp_path / str(seed), "alpha", 0.1, 0.6, TEXTS, seed=seed, sound=False) for seed in range(5)]
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    file = tmp_path / "calibration.json"
    assert calibrate.run(parser.parse_args([*map(str, repeats), "--out", str(file)])) == 0
    limits = calibration.load(file)
    data = json.loads(file.read_text())["spread"]
    assert {row["runs"] for row in data} == {5} and all(row["limit"] > 2 * row["deviation"] for row in data)
    new = copy()
    nudge = limits["toy", "embedded", "sim_o"] * 0.8
    change(new, "sim_o", add(lambda i: -nudge))
    threshold = thresholds.parse("sim_o:0.0001abs")
    assert marks(judge.compare([base], [new], threshold))["sim_o"] == "+"
    assert marks(judge.compare([base], [new], threshold, limits=limits))["sim_o"] == "="
    with pytest.raises(ReportError, match="at least two"):
        calibration.spread(repeats[:1])
    with pytest.raises(ReportError, match="one system"):
        calibration.spread([repeats[0], make_run(tmp_path / "o", "beta", texts=TEXTS, sound=False)])
