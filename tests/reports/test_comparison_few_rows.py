"""The regression gate where rows are few: what they can show, and the exact test."""

from __future__ import annotations

import numpy as np

from ttsbench.records import Score
from ttsbench.reports.comparison import judge, output

from .gate import TEXTS, add, change, drawn


def few(make_run, root, count):
    return [make_run(root / side, "alpha", 0.0, 0.6, TEXTS[:count], sound=False) for side in ("old", "new")]


def test_noise_on_half_of_ten_files_fails_and_names_the_test(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 10)
    change(new, "wer", lambda i, s: Score(s.sample, 0.8 if i < 5 else s.value, s.weight, detail=s.detail))
    found = judge.compare([old], [new])
    row = next(row for row in found.rows if row.metric.name == "wer")
    assert row.mark == "+" and row.test == "exact paired test" and row.p == 0.0625
    assert "so large a change counts at p 0.062 of the exact paired test" in row.reason and not found.passed


def test_one_row_alone_is_no_proof_of_a_large_jump(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 8)
    change(new, "wer", lambda i, s: Score(s.sample, 3.0 if i == 0 else s.value, s.weight, detail=s.detail))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "wer")
    assert row.difference.value > 0.2 and row.exact == 1.0 and row.mark == "~"


def test_few_rows_say_what_they_can_show(make_run, tmp_path, capsys):
    old, new = few(make_run, tmp_path, 10)
    change(new, "wer", lambda i, s: Score(s.sample, 0.2 if i < 3 else s.value, s.weight, detail=s.detail))
    found = judge.compare([old], [new])
    row = next(row for row in found.rows if row.metric.name == "wer")
    assert row.mark == "~" and row.verdict == "inconclusive" and found.passed
    assert row.reason == f"10 rows can show no less than {100 * row.can_show:.2f} points" and 0.1 < row.can_show < 0.2
    assert "Inconclusive: WER on toy (10 rows can show no" in found.sentence()
    output.print_comparison(found)
    assert "10 rows can show no" in " ".join(capsys.readouterr().out.split())


def test_five_rows_can_show_only_what_is_large(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 5)
    change(new, "wer", lambda i, s: Score(s.sample, 0.1, s.weight, detail=s.detail))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "wer")
    assert row.mark == "~" and row.reason == "5 rows can show no change less than 20.00 points: at least 10 are needed"
    assert row.can_show == 0.2


def test_more_rows_show_less(make_run, tmp_path):
    least = []
    for count in (20, 60):
        old, new = few(make_run, tmp_path / str(count), count)
        change(new, "sim_o", add(lambda i: (0.08 if i % 2 else -0.08) - 0.03))
        row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "sim_o")
        assert row.can_show is not None and row.test == "exact paired test"
        least.append(row.can_show)
    assert 0.02 < least[1] < least[0] < 0.2


def test_many_speakers_are_resampled(make_run, tmp_path):
    old, new = (
        make_run(tmp_path / side, "alpha", 0.1, 0.6, TEXTS, seed=seed, sound=False, speakers=40)
        for seed, side in enumerate(("old", "new"))
    )
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "wer")
    assert row.test == "paired bootstrap over 40 speakers"


def test_no_change_of_few_scattered_rows_is_no_proof_that_nothing_changed(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 10)
    change(new, "sim_o", add(lambda i: 0.15 if i % 2 else -0.15))  # the mean does not change at all
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "sim_o")
    assert abs(row.difference.value) < 1e-9 and row.mark == "~" and not row.beyond
    assert row.reason.startswith("10 rows can show no less than 0.") and row.can_show > 0.1
    found = judge.compare([old], [new])
    assert "of 5 metrics are inconclusive" in found.sentence() and found.passed


def test_many_rows_say_beyond_what_there_is_no_difference(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 60)
    change(new, "sim_o", add(lambda i: 0.01 if i % 2 else -0.01))
    rows = {row.metric.name: row for row in judge.compare([old], [new]).rows}
    assert rows["sim_o"].mark == "=" and rows["sim_o"].verdict == "no difference beyond 0.020"
    assert rows["wer"].verdict == "no difference beyond 0.50 points"
    assert rows["rtf"].verdict == "no difference beyond 1.2 times"


def test_few_timings_say_which_factor_they_can_show(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 10)
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * (3.0 if i % 2 else 0.7), s.weight))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "rtf")
    assert row.mark == "~" and row.reason.startswith("10 rows can show no less than ") and row.reason.endswith(" times")
    old, new = few(make_run, tmp_path / "three", 3)
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 9.0, s.weight))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "rtf")
    assert row.mark == "~" and row.reason == "3 rows can show no change: at least 6 are needed"


def test_small_sets_of_an_unchanged_system_raise_no_alarm(copy, make_run, tmp_path):
    """100 pairs of runs on 10 rows, every metric drawn anew."""
    old, new = few(make_run, tmp_path, 10)
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        for path in (old, new):
            for metric, draw in drawn(rng, [11] * 10).items():
                change(path, metric, draw)
        alarms += bool(judge.compare([old], [new], seed=seed).regressions)
    assert alarms <= 1
