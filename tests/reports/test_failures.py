"""A failure is a value to the reader: how many rows of how many, and why, in the terminal, the page and the CSV."""

from __future__ import annotations

import argparse
import csv
import json
import re

import pytest

from ttsbench import arguments, campaign, reports
from ttsbench.records import Score, Synthesis
from ttsbench.reports import clips, reasons, tables
from ttsbench.store import Run, file_digest, write_lines


def rewrite(path, metric, function):
    """Replace one metric's scores: function(index, score)."""
    scores = Run.open(path).scores("embedded", metric)
    rows = [function(index, score) for index, score in enumerate(scores)]
    write_lines(path / "scores" / "embedded" / f"{metric}.jsonl", rows)


@pytest.fixture(scope="module")
def runs(make_run, tmp_path_factory):
    """truth; `cuda`: every SIM-o failed, for two reasons; `mixed`: DNSMOS failed on 3 rows, 2 rows without speech."""
    root = tmp_path_factory.mktemp("failures")
    paths = [make_run(root, "ground-truth"), make_run(root, "cuda"), make_run(root, "mixed", failed=(3, 7))]
    rewrite(paths[1], "sim_o", lambda i, s: Score(s.sample, error="no GPU here" if i < 15 else "out of memory"))
    rewrite(paths[2], "dnsmos", lambda i, s: Score(s.sample, error="model says <nan>") if i in (0, 1, 2) else s)
    return paths


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    reports.write_report(reports.load(runs), out)
    return out


def told(text: str, *words: str) -> None:
    for word in words:
        assert word in text, word


def test_the_terminal_says_how_many_failed_and_why(runs, capsys):
    reports.print_tables(reports.load(runs))
    out = " ".join(capsys.readouterr().out.split())
    told(out, "failed 20 of 20", "cuda: SIM-o failed on 20 of 20 rows: no GPU here (15), out of memory (5)")
    told(out, "mixed gave no usable speech for 2 of 20 rows: the system failed: out of memory (2)")
    told(out, "mixed: DNSMOS failed on 3 of 20 rows: model says <nan> (3)")
    told(out, "RTF: not applicable to ground-truth, recordings were not timed")
    assert "SIM-o: not applicable" not in out and "DNSMOS: not applicable" not in out


def test_the_reason_that_a_system_was_stopped_for_stands_once(make_run, tmp_path):
    error = "RuntimeError: u3: no such language"
    run = Run.open(make_run(tmp_path, "stopped"))
    for number, sample in enumerate(run.samples):
        reason = error if number < 5 else f"not tried, as 5 rows in a row failed alike: {error}"
        run.add_synthesis(Synthesis(sample.id, error=reason))
    (line, *_) = map(str, reasons.failed(reports.load([run.path])[0]))
    assert line.endswith(f"rows: not tried, as 5 rows in a row failed alike (15), {error} (5)")


def test_a_table_whose_metrics_apply_to_nobody_has_its_utterances(make_run, tmp_path, capsys):
    path = make_run(tmp_path, "none")
    for metric in ("wer", "sim_o", "dnsmos", "rtf", "pesq"):
        rewrite(path, metric, lambda i, s: Score(s.sample, na="not asked"))
    reports.print_tables(reports.load([path]))
    assert "20 utterances" in capsys.readouterr().out


def test_the_page_says_so_and_keeps_the_column(written):
    text = (written / "report.html").read_text("utf-8")
    told(text, "failed 20 of 20", "cuda: SIM-o failed on 20 of 20 rows: no GPU here (15), out of memory (5)")
    told(text, "model says &lt;nan&gt; (3)", "failed 5 of 20")  # 3 by the model, 2 without speech
    assert not re.search(r"SIM-o[^<]*</dt><dd>not applicable", text)


def test_the_csv_has_counts_and_reasons(written):
    with (written / "results.csv").open(newline="", encoding="utf-8") as handle:
        rows = {(row["system"], row["metric"]): row for row in csv.DictReader(handle)}
    sim = rows["cuda", "sim_o"]
    assert (sim["failed"], sim["asked"], sim["scored"]) == ("20", "20", "0") and sim["value"] == ""
    assert sim["reasons"] == "no GPU here (15), out of memory (5)" and sim["not_applicable"] == ""
    assert rows["ground-truth", "rtf"]["not_applicable"] == "recordings were not timed"
    assert rows["mixed", "wer"]["failed"] == "2" and rows["ground-truth", "wer"]["failed"] == "0"


def test_a_column_with_failures_alone_does_not_disappear(make_run, tmp_path, capsys):
    run = make_run(tmp_path, "alone")
    rewrite(run, "sim_o", lambda i, s: Score(s.sample, error="weights are missing"))
    table = tables.tables(tables.find([run]))[0]
    assert "sim_o" in [m.name for m in table.columns] and "sim_o" not in [m.name for m in table.measured]
    reports.write_report(reports.load([run]), tmp_path / "out")
    head = re.search(r"<thead>.*?</thead>", (tmp_path / "out" / "report.html").read_text("utf-8"), re.S).group(0)
    assert "SIM-o" in head and "PESQ" not in head  # PESQ applies to nothing here
    reports.print_tables(reports.load([run]))
    assert "failed 20 of 20" in capsys.readouterr().out


def test_who_failed_the_first_metric_comes_last(make_run, tmp_path):
    runs = [make_run(tmp_path, "broken"), make_run(tmp_path, "works", error=0.9)]
    rewrite(runs[0], "wer", lambda i, s: Score(s.sample, error="no recogniser"))
    assert [entry.name for entry in tables.tables(tables.find(runs))[0].entries] == ["works", "broken"]


def test_many_reasons_are_cut(make_run):
    assert (
        reasons.reasons_text([("a", 5), ("b", 2), ("c", 1), ("d\x1b[2J", 1)])
        == "a (5), b (2), c (1), and 1 more reason"
    )
    assert "\x1b" not in reasons.reasons_text([("d\x1b[2J", 1)])


def test_an_output_equal_to_its_recording_is_flagged(make_run, tmp_path, capsys):
    path = make_run(tmp_path, "cheat")
    run = Run.open(path)
    for sample in run.samples[4:6]:
        run.add_synthesis(Synthesis(sample.id, f"audio/{sample.id}.flac", file_digest(sample.truth), 16000, 0.5))
    table = tables.tables(tables.find([path]))[0]
    assert reasons.copies(table.entries[0]) == ["utt-0004", "utt-0005"]
    reports.write_report(reports.load([path]), tmp_path / "out")
    assert "2 of its outputs are the recording itself" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert ",2,cheat@toy" in (tmp_path / "out" / "results.csv").read_text("utf-8")
    reports.print_tables(reports.load([path]))
    assert "utt-0004, utt-0005" in capsys.readouterr().out
    assert reasons.copies(tables.tables(tables.find([make_run(tmp_path, "ground-truth")]))[0].entries[0]) == []


def test_what_is_no_headline_is_folded_and_in_the_csv(make_run, tmp_path, capsys):
    run = make_run(tmp_path, "one")
    path = run / "scores" / "embedded" / "protocol.json"
    card = json.loads(path.read_text())
    for metric in card["metrics"]:
        metric["headline"] = metric["name"] != "dnsmos"
    path.write_text(json.dumps(card))
    found = reports.load([run])
    assert [m.name for m in found[0].folded] == ["dnsmos"] and "dnsmos" not in [m.name for m in found[0].columns]
    page = reports.write_report(found, tmp_path / "out").read_text("utf-8")
    fold = page.index('<details class="folded">')
    assert "DNSMOS" in page[fold : page.index("</details>", fold)]
    assert "DNSMOS" not in page[page.index('<table class="main">') : fold]
    assert ",dnsmos," in (tmp_path / "out" / "results.csv").read_text()
    reports.print_tables(found)
    assert "DNSMOS" not in capsys.readouterr().out


def test_clips_are_made_once_and_their_progress_is_told(make_run, tmp_path, monkeypatch):
    found, told_of = reports.load([make_run(tmp_path, "one")]), []
    reports.write_report(found, tmp_path / "out", lambda *note: told_of.append(note))
    kept = {path.name for path in (tmp_path / "out" / ".clips").glob("*.mp3")}
    assert kept and told_of[-1][0] == told_of[-1][1] and told_of[-1][2] == "clips"
    monkeypatch.setattr(clips.soundfile, "write", lambda *_, **__: pytest.fail("a clip was encoded again"))
    monkeypatch.setattr(clips, "spectrogram", lambda *_: pytest.fail("a spectrogram was drawn again"))
    reports.write_report(found, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out" / ".clips").glob("*.mp3")} == kept


def test_a_share_of_failed_rows_may_be_allowed(make_run, tmp_path, capsys):
    run = make_run(tmp_path, "alpha", texts=[f"sentence {n}" for n in range(20)], failed=(3, 4))
    ended = {share: campaign.finish(campaign.Campaign([run]), tmp_path, tolerated=share) for share in (0.0, 0.09, 0.1)}
    assert ended == {0.0: 1, 0.09: 1, 0.1: 0}
    assert "10 % of the rows of alpha on toy failed: more than the 9 % of --fail-on-error" in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError, match="a share from 0 to 1"):
        arguments.share("5%")
