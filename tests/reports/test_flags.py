"""Rows to look at: those on which two recognisers lie far apart, and those a clip check points at."""

from dataclasses import replace

from ttsbench import reports
from ttsbench.store import Run, write_lines


def test_unsure_rows_are_counted_and_listed(make_run, tmp_path):
    path = make_run(tmp_path, "parrot")
    scores = Run.open(path).scores("embedded", "wer")
    marks = {"unsure": "recogniser unsure: 90 % against 20 %", "second": "quite <other> words"}
    marked = [replace(s, detail=s.detail | marks) if at < 2 else s for at, s in enumerate(scores)]
    write_lines(path / "scores" / "embedded" / "wer.jsonl", marked)
    reports.write_report(reports.load([path]), tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.index("<h3>Clip checks</h3>") < text.index("recogniser unsure on 2 of")
    assert f"recogniser unsure on 2 of {len(scores)} utterances" in text
    assert (
        text.count("90 % against 20 %") == 2
        and "recogniser unsure: 90 %" not in text
        and "quite &lt;other&gt; words" in text
    )


def test_without_such_rows_the_page_says_nothing(make_run, tmp_path):
    reports.write_report(reports.load([make_run(tmp_path, "parrot")]), tmp_path)
    assert "recogniser unsure" not in (tmp_path / "report.html").read_text("utf-8")


def test_clip_checks_are_counted_listed_and_the_explorer_can_show_them(make_run, tmp_path, browser):
    path = make_run(tmp_path, "parrot")
    scores = Run.open(path).scores("embedded", "sim_o")
    found = {0: ["cut off"], 1: ["cut off", "too <long>"]}
    marked = [replace(s, detail={"checks": found[at]}) if at in found else s for at, s in enumerate(scores)]
    write_lines(path / "scores" / "embedded" / "sim_o.jsonl", marked)
    reports.write_report(reports.load([path]), tmp_path)
    tab = browser.new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    assert "cut off (2), too <long> (1)" in tab.locator("main").inner_text()
    tab.locator("select[data-filter=state]").scroll_into_view_if_needed()
    tab.locator("select[data-filter=state]").select_option("flagged")
    assert tab.locator(".explorer output").inner_text() == f"2 of {len(scores)} rows"
    assert tab.locator(".flags").all_inner_texts() == ["cut off", "cut off, too <long>"]
    offered = tab.locator("select[data-filter=state] option").all_inner_texts()
    assert offered[-3:] == ["with any flag", "cut off (2)", "too <long> (1)"]
    tab.locator("select[data-filter=state]").select_option(label="too <long> (1)")
    assert tab.locator(".flags").all_inner_texts() == ["cut off, too <long>"]
    tab.close()
