"""The regression gate: what it catches, what it lets pass, what it refuses, what it writes."""

from __future__ import annotations

import argparse
import json
import shutil
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ttsbench.commands import calibrate
from ttsbench.commands import compare as command
from ttsbench.errors import UserError
from ttsbench.records import Score
from ttsbench.reports import compare, gate
from ttsbench.reports.calibrate import spread
from ttsbench.reports.tables import ReportError
from ttsbench.store import Run, write_lines

TEXTS = [f"{'one two three four five six seven eight nine ten'} {i}" for i in range(60)]


@pytest.fixture(scope="module")
def base(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("gate"), "alpha", 0.1, 0.6, TEXTS, sound=False)


@pytest.fixture
def copy(base, tmp_path):
    """copy(name) -> a run folder equal to `base`."""
    return lambda name="new": shutil.copytree(base, tmp_path / name)


def change(path, metric, function, protocol="embedded"):
    """Rewrite one metric's scores of a run folder."""
    scores = Run.open(path).scores(protocol, metric)
    write_lines(path / "scores" / protocol / f"{metric}.jsonl", [function(i, score) for i, score in enumerate(scores)])


def add(amount):
    return lambda i, s: Score(s.sample, s.value + amount(i), s.weight, detail=s.detail)


def marks(found):
    return {row.metric.name: row.mark for row in found.rows}


def main(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_a_run_against_itself_passes(base, copy):
    found = gate.compare([base], [copy()])
    assert set(marks(found).values()) == {"="} and not found.regressions and "is not worse" in found.sentence()
    assert "pesq" not in marks(found)  # asked of no row: nothing to say


def drawn(rng, words):
    """Scores of an unchanged system, drawn anew."""
    return {
        "wer": lambda i, s: Score(s.sample, float(rng.binomial(words[i], 0.1) / words[i]), float(words[i])),
        "sim_o": lambda i, s: Score(s.sample, float(rng.normal(0.6, 0.05))),
        "dnsmos": lambda i, s: Score(s.sample, float(rng.normal(3.5, 0.2))),
        "rtf": lambda i, s: Score(s.sample, float(rng.lognormal(-1, 0.2)), s.weight),
    }


def test_false_alarms_of_an_unchanged_system(copy):
    """100 repeated runs of one system: every metric drawn anew from the same distribution."""
    base, new, alarms = copy("old"), copy(), 0
    words = [len(text.split()) for text in TEXTS]
    thresholds = gate.parse_thresholds("wer:0abs,sim_o:0abs,dnsmos:0abs,rtf:1x")  # only significance holds
    for seed in range(100):
        rng = np.random.default_rng(seed)
        for path in (base, new):
            for metric, draw in drawn(rng, words).items():
                change(path, metric, draw)
        alarms += bool(gate.compare([base], [new], thresholds, alpha=0.01, seed=seed).regressions)
    assert alarms <= 3  # 1 in 100 is stated, half of them in the worse direction; more than 3 has a chance of 0.2 %


def test_three_in_a_hundred_words_lost_is_caught(base, copy):
    rng = np.random.default_rng(0)
    new = copy()
    change(new, "wer", add(lambda i: float(rng.binomial(11, 0.03) / 11)))
    found = gate.compare([base], [new])
    row = next(row for row in found.rows if row.metric.name == "wer")
    assert row.mark == "+" and "WER on toy (worse)" in found.sentence()
    worst = row.worse[0]
    assert worst.after.value > worst.before.value and len(row.worse) <= gate.SHOWN_WORSE
    assert marks(gate.compare([new], [base]))["wer"] == "-"


def test_slowed_by_half_is_caught(base, copy):
    new = copy()
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 1.5, s.weight))
    found = gate.compare([base], [new])
    row = next(row for row in found.rows if row.metric.name == "rtf")
    assert row.mark == "+" and row.difference.ratio == pytest.approx(1.5)
    assert marks(gate.compare([base], [new], gate.parse_thresholds("rtf:2x")))["rtf"] == "="


def test_both_gates_must_open(base, copy):
    sure, unsure = copy("sure"), copy("unsure")
    change(sure, "sim_o", add(lambda i: -0.005))  # every utterance, but too little to matter
    change(unsure, "sim_o", add(lambda i: -3.0 if i == 0 else 0.0))  # much, but one utterance alone
    assert marks(gate.compare([base], [sure]))["sim_o"] == "="
    assert marks(gate.compare([base], [unsure]))["sim_o"] == "~"
    assert marks(gate.compare([base], [sure], gate.parse_thresholds("sim_o:-0.001abs")))["sim_o"] == "+"
    assert marks(gate.compare([base], [sure], gate.parse_thresholds("sim_o:off")))["sim_o"] == "="


def test_new_failures_and_repairs_are_marked(base, make_run, tmp_path):
    broken = make_run(tmp_path, "alpha", 0.1, 0.6, TEXTS, failed=(2, 9), sound=False)
    found = gate.compare([base], [broken])
    assert marks(found)["failures"] == "!" and found.rows[0].failing == ("utt-0002", "utt-0009")
    assert marks(gate.compare([base], [broken], gate.parse_thresholds("failures:2abs")))["failures"] == "="
    assert marks(gate.compare([broken], [base]))["failures"] == "*"


def test_a_metric_that_stops_working_is_newly_failing(base, copy):
    new = copy()
    change(new, "dnsmos", lambda i, s: Score(s.sample, None, error="model missing"))
    assert marks(gate.compare([base], [new]))["dnsmos"] == "!"
    assert marks(gate.compare([new], [base]))["dnsmos"] == "*"


def test_refuses_what_cannot_be_compared(base, make_run, tmp_path):
    other_box = make_run(tmp_path / "a", "alpha", texts=TEXTS, machine="another", sound=False)
    found = gate.compare([base], [other_box])
    assert marks(found)["rtf"] == "x" and marks(found)["wer"] != "x"
    assert "different machines" in next(row.reason for row in found.rows if row.mark == "x")
    assert marks(gate.compare([base], [other_box], across_machines=True))["rtf"] != "x"
    newer = make_run(tmp_path / "b", "alpha", texts=TEXTS, protocol_version=2, sound=False)
    assert {mark for name, mark in marks(gate.compare([base], [newer])).items() if name != "failures"} == {"x"}
    elsewhere = make_run(tmp_path / "c", "alpha", texts=TEXTS, testset="other", sound=False)
    found = gate.compare([base], [elsewhere])
    assert {row.mark for row in found.rows} == {"x"} and "test sets differ" in found.rows[1].reason
    assert not found.passed and found.sentence().startswith("Nothing could be compared of alpha@other (the test sets")
    suite = ET.fromstring(compare.junit(found).encode())
    assert suite.get("errors") == "1" and "test sets differ" in suite.find(".//error").get("message")
    unscored = make_run(tmp_path / "d", "alpha", texts=TEXTS, protocol="another", sound=False)
    assert not gate.compare([base], [unscored]).passed and not gate.compare([base], [newer]).passed


def test_campaign_folders_are_paired_by_system_and_test_set(make_run, tmp_path):
    for side in ("x", "y"):
        for name in ("alpha", "beta", "ground-truth"):
            make_run(tmp_path / side, name, testset="toy", sound=False)
    make_run(tmp_path / "y", "gamma", sound=False)
    found = gate.compare([tmp_path / "x" / "runs"], [tmp_path / "y" / "runs"])
    assert len(found.rows) == 2 * len({row.metric.name for row in found.rows})
    assert found.notes == ["gamma@toy is only on one side"] and found.passed
    assert [found.rows[0].where, found.rows[-1].where] == ["alpha on toy", "beta on toy"]
    with pytest.raises(ReportError, match="share no system"):
        gate.compare([tmp_path / "x" / "runs"], [make_run(tmp_path / "z", "delta", sound=False)])


@pytest.mark.parametrize("text", ["wer", "wer:+0.5", "wer:fast", "rtf:0.9x", "wer:+1abs;rtf:2x"])
def test_wrong_thresholds_are_named(text):
    with pytest.raises(ReportError, match="--fail-on"):
        gate.parse_thresholds(text)


def test_unknown_metric_in_fail_on_is_named(base, copy):
    with pytest.raises(ReportError, match="no such metric here; there are"):
        gate.compare([base], [copy()], gate.parse_thresholds("werr:+1abs"))
    assert gate.parse_thresholds("rtf:5%")["rtf"] == gate.Threshold("ratio", 1.05)


def test_calibration_widens_the_gate(make_run, base, copy, tmp_path):
    repeats = [make_run(tmp_path / str(seed), "alpha", 0.1, 0.6, TEXTS, seed=seed, sound=False) for seed in range(5)]
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    file = tmp_path / "calibration.json"
    assert calibrate.run(parser.parse_args([*map(str, repeats), "--out", str(file)])) == 0
    limits = gate.load_calibration(file)
    data = json.loads(file.read_text())["spread"]
    assert {row["runs"] for row in data} == {5} and all(row["limit"] > 2 * row["deviation"] for row in data)
    new = copy()
    nudge = limits["toy", "embedded", "sim_o"] * 0.8
    change(new, "sim_o", add(lambda i: -nudge))
    threshold = gate.parse_thresholds("sim_o:0.0001abs")
    assert marks(gate.compare([base], [new], threshold))["sim_o"] == "+"
    assert marks(gate.compare([base], [new], threshold, limits=limits))["sim_o"] == "="
    with pytest.raises(ReportError, match="at least two"):
        spread(repeats[:1])
    with pytest.raises(ReportError, match="one system"):
        spread([repeats[0], make_run(tmp_path / "o", "beta", texts=TEXTS, sound=False)])


def test_exit_status_and_files(base, copy, tmp_path, capsys, monkeypatch):
    new = copy("bad")
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 1.5, s.weight))
    files = [tmp_path / "junit.xml", tmp_path / "summary.md", tmp_path / "page.html"]
    status = main(base, new, "--junit", files[0], "--markdown", files[1], "--html", files[2], "--json")
    out, err = capsys.readouterr()
    assert status == 1 and "is worse than" in err
    data = json.loads(out)
    assert data["regressed"] and next(row for row in data["rows"] if row["metric"] == "rtf")["mark"] == "+"
    suite = ET.parse(files[0]).getroot()
    assert suite.get("failures") == "1" and suite.find(".//testcase[@name='rtf']/failure") is not None
    assert "| `+` |" in files[1].read_text() and "1.50x" in files[1].read_text()
    assert "1.50x" in files[2].read_text()
    assert main(base, copy("same")) == 0
    assert "better" in capsys.readouterr().out  # the legend
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    main(base, new, "--markdown", "-")
    assert (tmp_path / "step.md").read_text().startswith("### ")


def test_page_names_and_plays_what_got_worse(make_run, browser, tmp_path, plays):
    base = make_run(tmp_path / "x", "alpha", 0.05, 0.6, TEXTS[:30])
    new = make_run(tmp_path / "y", "alpha", 0.5, 0.6, TEXTS[:30], seed=1)
    assert main(base, new) == 1
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    asked, faults = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto((new / "compare.html").as_uri())
    assert "worse" in tab.locator(".verdict").inner_text() and tab.locator("del").count() > 10
    tab.get_by_role("button", name="Play after").first.click()
    assert plays(tab)
    assert all(url.startswith(("file:", "data:")) for url in asked) and not faults
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()


# --- a base without audio, and scores of the same audio -----------------------------------------------------------


def test_a_base_is_kept_without_audio_timings_and_paths(make_run, tmp_path, capsys):
    runs = tmp_path / "x" / "runs"
    for name in ("alpha", "beta", "ground-truth"):
        make_run(tmp_path / "x", name)
    base = tmp_path / "base"
    assert main(base, runs, "--accept") == 0 and "3 runs" in capsys.readouterr().err
    text = "".join(path.read_text() for path in base.rglob("*") if path.is_file())
    assert str(tmp_path) not in text and "box" not in text and not list(base.rglob("*.flac"))
    assert not list(base.rglob("rtf.jsonl")) and '"hypothesis"' in text
    assert main(base, runs, "--json", "--html", tmp_path / "p.html") == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["mark"] for row in found["rows"]} == {"="} and not any(r["metric"] == "rtf" for r in found["rows"])
    assert main(base, runs, "--accept") == 0  # kept scores are replaced
    with pytest.raises(ReportError, match="more than kept scores"):  # a whole run never is
        main(runs / "alpha@toy", base / "alpha@toy", "--accept")
    (tmp_path / "notes").mkdir()
    with pytest.raises(ReportError, match="more than kept scores"):
        main(tmp_path / "notes", base / "alpha@toy", "--accept")


def test_scores_of_the_same_audio_must_be_the_same(base, copy, tmp_path, capsys):
    assert "is the same as" in gate.compare([base], [copy("equal")], same=True).sentence()
    better = copy("better")  # one utterance, so that nothing is significant; a metric that flatters is broken as well
    worst = max(enumerate(Run.open(base).scores("embedded", "wer")), key=lambda pair: pair[1].value)[0]
    change(better, "wer", lambda i, s: Score(s.sample, 0.0 if i == worst else s.value, s.weight, detail=s.detail))
    limit = "wer:0.1abs"
    assert main(base, better, "--fail-on", limit) == 0 and main(base, better, "--fail-on", limit, "--same") == 1
    capsys.readouterr()
    files = ["--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md"]
    assert main(base, better, "--fail-on", limit, "--same", *files) == 1
    said = capsys.readouterr()
    assert "is not the same as" in said.err and f"WER changed most on: utt-{worst:04d}" in said.out
    assert ET.parse(tmp_path / "j.xml").getroot().get("failures") == "1"
    assert f"`utt-{worst:04d}`" in (tmp_path / "m.md").read_text()
    assert f"utt-{worst:04d}" in (better / "compare.html").read_text()
    assert main(base, better, "--fail-on", "wer:20abs", "--same") == 0


def test_the_step_summary_needs_its_variable(base, copy, monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with pytest.raises(UserError, match="GITHUB_STEP_SUMMARY, which is not set"):
        main(base, copy(), "--markdown", "-")
