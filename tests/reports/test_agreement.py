"""Which metric agrees with listeners: on panels whose truth is known, on sheets, on tables with faults."""

from __future__ import annotations

import argparse
import csv
import json

import numpy as np
import pytest

from ttsbench.commands import agree
from ttsbench.reports.agreement.measure import Clips, kendall, over_clips, over_systems, reliability, spearman
from ttsbench.reports.tables import ReportError

from .ratings import SYSTEMS, fill
from .ratings import main as ratings

LEVELS = np.array([0.0, 0.4, 0.8, 1.2, 1.6, 2.0])  # of six systems


def simulated(rng, sentences=24, raters=8, heard=3, noise=0.6):
    """Clips of a panel with strict and lenient raters, their true qualities, and a metric that hears some of it."""
    system, sentence = (each.ravel() for each in np.indices((LEVELS.size, sentences)))
    truth = LEVELS[system] + rng.normal(0, 0.3, sentences)[sentence] + rng.normal(0, 0.4, system.size)
    given = truth + rng.normal(0, 0.3, (raters, 1)) + rng.normal(0, noise, (raters, system.size))
    absent = np.argsort(rng.random(given.shape), axis=0) >= heard
    metric = truth + rng.normal(0, 0.8, system.size)
    return Clips(np.where(absent, np.nan, given), system, sentence), truth, metric


def measured(clips, metric, draws=100):
    return over_systems(clips, metric, np.ones(metric.size), draws=draws), over_clips(clips, metric, draws=draws)


def test_the_order_of_the_systems_is_recovered_and_a_deaf_metric_is_found_out():
    rng = np.random.default_rng(1)
    clips, _, metric = simulated(rng, sentences=60)
    systems, utterances = measured(clips, metric)
    assert [f.value for f in (systems.spearman, systems.kendall, systems.accuracy)] == pytest.approx([1, 1, 1])
    assert 0.4 < utterances.spearman.low < utterances.spearman.value < utterances.spearman.high < 0.9
    deaf = rng.normal(size=metric.size)
    _, nothing = measured(clips, deaf)
    assert nothing.spearman.low < 0 < nothing.spearman.high and nothing.accuracy.low < 0.5 < nothing.accuracy.high
    _, turned = measured(clips, -metric)
    assert turned.spearman.value == pytest.approx(-utterances.spearman.value)
    assert turned.accuracy.value == pytest.approx(1 - utterances.accuracy.value)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 100 panels about 95: never under 90, which has a chance of 1 in 100 at 95."""
    rng = np.random.default_rng(2)
    big = [simulated(rng, sentences=4000, raters=3) for _ in range(3)]
    panel = np.mean([spearman(np.nanmean(c.ratings, axis=0), m) for c, _, m in big])
    without_noise = np.mean([spearman(t, m) for _, t, m in big])
    held = np.zeros(2)
    for _ in range(100):
        clips, _, metric = simulated(rng)
        found = over_clips(clips, metric, draws=40)
        for at, (figure, truth) in enumerate(((found.spearman, panel), (found.disattenuated, without_noise))):
            held[at] += figure.low <= truth <= figure.high
    assert (held >= 90).all(), held


def test_reliability_is_the_share_that_is_no_chance():
    rng = np.random.default_rng(3)
    quality = rng.normal(0, 1, 4000)
    table = quality + rng.normal(0, 1, (4, 4000))
    assert reliability(table) == pytest.approx(1 / (1 + 1 / 4), abs=0.02)
    assert reliability(table[:1]) is None
    assert reliability(rng.normal(size=(2, 6)) * 0 + 1) is None


def test_correlations_by_hand():
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(0.8)
    assert kendall(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(4 / 6)
    assert np.isnan(spearman(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])))


def test_pairs_are_within_a_sentence_and_ties_count_half():
    ratings = np.array([[1.0, 2, 5, 4, 3, 3]])  # three sentences of two systems; listeners cannot tell the last
    clips = Clips(ratings, np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2]))
    _, found = measured(clips, np.array([0.0, 1, 7, 7, 0, 1]))
    assert found.accuracy.value == pytest.approx(0.75) and found.reliability is None
    assert found.disattenuated.value is None


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(make_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("agreed")
    return [make_run(root, name, error=0.3 - 0.3 * level, sim=0.6 + 0.2 * level) for name, level in SYSTEMS.items()]


def main(*words):
    parser = argparse.ArgumentParser()
    agree.add_arguments(parser)
    return agree.run(parser.parse_args([str(word) for word in words]))


def table(path, runs, systems=SYSTEMS):
    rng = np.random.default_rng(5)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["rater", "system", "sample", "rating"])
        for rater in "abcd":
            for name, level in systems.items():
                for number in range(20):
                    out.writerow([rater, name, f"utt-{number:04d}", 3 + level + rng.normal(0, 0.5)])
    return path


def test_a_table_of_ratings(runs, tmp_path, capsys):
    path = table(tmp_path / "mine.csv", runs)
    assert main(path, *runs, "--out", tmp_path / "out", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["raters"] == 4 and found["sentences"] == 20 and found["systems"] == sorted(SYSTEMS)
    assert "rtf" not in found["metrics"] and found["metrics"]["wer"]["systems"]["spearman"]["value"] == 1
    assert found["metrics"]["sim_o"]["utterances"]["spearman"]["low"] > 0.5
    page = (tmp_path / "out" / "agreement.html").read_text()
    assert "best: " in page and "utt-0003" in page and page.count("<svg") == 2 * len(found["metrics"])
    rows = list(csv.DictReader((tmp_path / "out" / "agreement.csv").open(newline="")))
    assert {(row["over"], row["count"]) for row in rows if row["metric"] == "wer"} == {
        ("systems", "3"),
        ("utterances", "60"),
    }


def test_filled_sheets(runs, tmp_path, capsys):
    ratings("export", *runs, "--design", "mos", "--raters", 3, "--out", tmp_path / "out", "--seed", 1)
    key = json.loads((tmp_path / "out.key.json").read_text())["items"]
    levels = {"best": "5", "middle": "4", "worst": "2", "degraded": "1", "ground-truth": "5"}
    (tmp_path / "filled").mkdir()
    for rater, items in key.items():
        target = tmp_path / "filled" / f"{rater}.xlsx"
        fill(tmp_path / "out" / f"{rater}.xlsx", lambda item, items=items: levels[items[item]["systems"][0]], target)
    status = main(tmp_path / "filled", *runs, "--key", tmp_path / "out.key.json", "--out", tmp_path / "page")
    said = capsys.readouterr()
    assert status == 1 and "rated, but not among the runs: ground-truth" in said.err and "WER" in said.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rater,system,sample\na,b,c\n", "lacks rating"),
        ("rater,rating\na,1\n", "lacks system, sample"),
        ("", "lacks rater, system, sample, rating"),
        ("rater,system,sample,rating\na,best,utt-0001,4\na,best,utt-0002,good\n", "line 3: rating is 'good'"),
        ("rater,system,sample,rating\na,nobody,utt-0001,4\n", "no rated clip.*nobody.*best, middle, worst"),
        ("rater,system,sample,rating\n", "the table is empty"),
    ],
)
def test_what_cannot_be_used_is_said(runs, tmp_path, text, words):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(ReportError, match=words):
        main(path, *runs, "--out", tmp_path / "out")


def test_pairs_have_no_ratings_of_single_clips(runs, tmp_path):
    ratings("export", *runs, "--design", "ab", "--raters", 2, "--out", tmp_path / "out")
    with pytest.raises(ReportError, match="design ab compares pairs"):
        main(tmp_path / "out", *runs, "--key", tmp_path / "out.key.json")
