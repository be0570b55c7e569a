"""The regression gate: what it catches, what it lets pass, what it refuses, what it writes."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ttsbench.commands import calibrate
from ttsbench.commands import compare as command
from ttsbench.errors import UserError
from ttsbench.records import Metric, Score
from ttsbench.reports.comparison import calibration, judge, output, thresholds
from ttsbench.reports.tables import ReportError
from ttsbench.stats import Difference
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
    found = judge.compare([base], [copy()])
    assert (
        set(marks(found).values()) == {"="} and not found.regressions and "is not shown to be worse" in found.sentence()
    )
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


def test_the_beginning_of_a_name_stands_for_all_its_metrics():
    off = thresholds.Threshold("off")
    known = {"wer", "wer-strict", "dnsmos-sig", "dnsmos-ovrl", "failures"}
    assert thresholds.by_metric({"dnsmos": off}, known) == {"dnsmos-sig": off, "dnsmos-ovrl": off}
    assert thresholds.by_metric({"wer": off}, known) == {"wer": off}
    tight = thresholds.Threshold("abs", 0.1)
    found = thresholds.by_metric({"dnsmos-sig": tight, "dnsmos": off}, known)
    assert found == {"dnsmos-sig": tight, "dnsmos-ovrl": off}


# --- few rows -----------------------------------------------------------------------------------------------------


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
    assert row.reason == f"10 rows can show no less than {100 * row.can_show:.2f}" and 0.1 < row.can_show < 0.2
    assert "Inconclusive: WER on toy (10 rows can show no" in found.sentence()
    output.print_comparison(found)
    assert "10 rows can show no" in " ".join(capsys.readouterr().out.split())


def test_five_rows_can_show_only_what_is_large(make_run, tmp_path):
    old, new = few(make_run, tmp_path, 5)
    change(new, "wer", lambda i, s: Score(s.sample, 0.1, s.weight, detail=s.detail))
    row = next(row for row in judge.compare([old], [new]).rows if row.metric.name == "wer")
    assert row.mark == "~" and row.reason == "5 rows can show no change less than 20 points: at least 10 are needed"
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
    assert "is the same as" in judge.compare([base], [copy("equal")], same=True).sentence()
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


# --- what is written, sign by sign --------------------------------------------------------------------------------


@pytest.fixture
def mixed(base, copy):
    """One row of every mark but x: RTF worse, SIM-o better, DNSMOS newly failing, WER within, PESQ newly working."""
    new = copy()
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 1.5, s.weight))
    change(new, "sim_o", add(lambda i: 0.1))
    change(new, "dnsmos", lambda i, s: Score(s.sample, None, error="model missing"))
    change(new, "pesq", lambda i, s: Score(s.sample, 3.0))
    return judge.compare([base], [new])


def test_markdown_has_no_empty_places(mixed):
    text = output.markdown(mixed)
    assert "****" not in text and "None" not in text
    table = [line for line in text.splitlines() if line.startswith("| `")]
    assert [line.split("|")[1].strip() for line in table] == ["`=`", "`=`", "`-`", "`!`", "`+`", "`*`"]
    dnsmos, rtf = (next(line for line in table if name in line) for name in ("DNSMOS", "RTF"))
    assert (
        dnsmos
        == "| `!` | toy embedded DNSMOS ↑ |  |  |  |  | **newly failing: no number in NEW: model missing (60)** |"
    )
    assert "| **1.50x** | 1." in rtf and rtf.endswith("| **worse** |")


def test_junit_has_no_empty_places(mixed):
    suite = ET.fromstring(output.junit(mixed).encode())
    said = {case.get("name"): (case[0].tag, case[0].get("message"), case[0].text) for case in suite.iter("testcase")}
    texts = [text or "" for _, _, text in said.values()]
    assert not any("interval ," in text or text.startswith(" to") for text in texts)
    assert [name for name, (_, _, text) in said.items() if " p " in (text or "")] == ["wer", "sim_o", "rtf"]
    assert said["dnsmos"][:2] == ("failure", "DNSMOS is newly failing")
    assert said["dnsmos"][2].startswith("no number in NEW: model missing (60); worst: utt-0000, utt-0001")
    assert said["failures"] == ("system-out", None, "0 to 0, difference ±0, threshold 0abs, counted")
    kind, _, text = said["rtf"]
    assert kind == "failure" and "difference 1.50x, 95 % interval 1." in text
    assert "p < 0.0001 (Mann-Whitney test), threshold 1.2x; worst: utt-" in text
