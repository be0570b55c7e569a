"""report.html: what it says, what it escapes, and how it behaves in a real browser."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from ttsbench import reports
from ttsbench.records import Synthesis
from ttsbench.reports import clips, report_page, tables
from ttsbench.store import Run

NASTY = [
    "<script>window.broken = 1</script> & </script><!-- \"quotes\" 'too'",
    '=HYPERLINK("http://example.org","x")',
    "line one\nline two\r\nand \u2028 three",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd \u202e overridden",
    "word " * 1000,
]


@pytest.fixture(scope="module")
def written(make_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    texts = [f"sentence number {i} about something else entirely" for i in range(25)] + NASTY
    runs = [
        make_run(root, "ground-truth", 0.02, 0.8, texts),
        make_run(root, "flite", 0.1, 0.35, texts, seed=1),
        make_run(root, "espeak-ng", 0.3, 0.3, texts, failed=(3, 7), seed=2),
    ]
    reports.write_report(reports.load(runs), root / "out")
    return root / "out", runs


@pytest.fixture
def opened(written, browser):
    """The page in a browser, and the addresses that it asked for."""
    asked: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    faults: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.goto((written[0] / "report.html").as_uri())
    tab.locator(".explorer").scroll_into_view_if_needed()
    tab.wait_for_selector(".rows tbody tr")
    yield tab, asked
    assert faults == []
    tab.close()


def test_page_is_self_contained_and_escaped(written):
    text = (written[0] / "report.html").read_text("utf-8")
    assert "default-src 'none'" in text and "unsafe-inline" not in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text) and "@import" not in text
    assert "<script>window.broken" not in text
    body = re.search(r'id="rows-0">(.*?)</script>', text, re.S).group(1)
    assert "<" not in body and json.loads(body)["samples"][25][1] == NASTY[0]
    assert "2 of 30 utterances" in text and "out of memory" in text
    assert "not aligned in time" in text  # why PESQ has no column


def test_a_metric_that_some_lack_names_who_lacks_it(written):
    text = (written[0] / "report.html").read_text("utf-8")
    notes = dict(re.findall(r"<dt>(.*?)</dt><dd>(not applicable.*?): ", text))
    assert next(said for titles, said in notes.items() if "RTF" in titles) == (
        "not applicable to <bdi>ground-truth</bdi>"
    )
    assert next(said for titles, said in notes.items() if "PESQ" in titles) == "not applicable"


def test_ground_truth_is_first_and_the_excess_is_paired(written):

    table = tables.tables(tables.find(written[1]))[0]
    assert [entry.truth for entry in table.entries] == [True, False, False]
    truth, flite = table.entries[0], table.entries[1]
    expected = flite.cells["wer"].value - truth.cells["wer"].value
    assert flite.excess["wer"].value == pytest.approx(expected) and "rtf" not in flite.excess


def test_results_csv_counts_and_no_formula(make_run, tmp_path):
    run = make_run(tmp_path, '=cmd|"/c calc"!A0', failed=(0,))
    reports.write_report(reports.load([run]), tmp_path / "out")
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert rows[0]["system"].startswith("'=") and {row["metric"] for row in rows} >= {"wer", "sim_o", "pesq"}
    wer = next(row for row in rows if row["metric"] == "wer")
    assert (wer["scored"], wer["asked"]) == ("19", "20") and float(wer["low"]) <= float(wer["value"]) <= float(
        wer["high"]
    )
    pesq = next(row for row in rows if row["metric"] == "pesq")
    assert pesq["value"] == "" and "aligned" in pesq["not_applicable"]


def test_terminal_table_names_everything(written, capsys):
    reports.print_tables(reports.load(written[1]))
    out = capsys.readouterr().out
    assert (
        "ground-truth" in out and "failed 2 of 30" in out and "not applicable" in out and "[" not in out.split("toy")[0]
    )
    assert reports.failures(reports.load(written[1])) == {"espeak-ng@toy": 2}
    plain = reports.results(reports.load(written[1]))
    assert json.dumps(plain, allow_nan=False) and {row["system"] for row in plain} == {
        "ground-truth",
        "flite",
        "espeak-ng",
    }


def test_audio_cap_links_the_rest(make_run, tmp_path):
    runs = [make_run(tmp_path, "flite")]

    report_page.write_page(tables.tables(tables.find(runs)), tmp_path / "out", cap_mb=0.006)
    text = (tmp_path / "out" / "report.html").read_text("utf-8")
    urls = json.loads(re.search(r'id="audio">(.*?)</script>', text, re.S).group(1))
    inside = [url for url in urls if url.startswith("data:audio/mpeg;base64,")]
    outside = [url for url in urls if not url.startswith("data:")]
    assert inside and outside and sum(map(len, inside)) <= 6000
    assert all((tmp_path / "out" / unquote(url)).resolve().is_file() for url in outside)


def test_unreadable_audio_does_not_stop_the_page(make_run, tmp_path):
    run = make_run(tmp_path, "flite")
    (run / "audio" / "utt-0001.flac").write_bytes(b"not audio")
    (run / "audio" / "utt-0002.flac").unlink()
    reports.write_report(reports.load([run]), tmp_path / "out")
    found = clips.Clips(tmp_path / "out").pictures([run / "audio" / f"utt-000{n}.flac" for n in (1, 2, 3)])
    assert found[:2] == ["", ""] and found[2].startswith("data:image/png")


def test_runs_of_different_sets_and_protocols_are_never_mixed(make_run, tmp_path):

    one = make_run(tmp_path, "a")
    two = make_run(tmp_path, "b", protocol_version=2)
    three = make_run(tmp_path, "c", testset="other")
    found = tables.tables(tables.find([one, two, three]))
    assert [[entry.name for entry in table.entries] for table in found] == [["c"], ["a"], ["b"]]
    with pytest.raises(Exception, match="not a run folder"):
        tables.find([tmp_path / "nothing"])


def test_recordings_given_as_a_system_are_the_ground_truth(make_run, tmp_path):
    from ttsbench.store import Run, file_digest

    path = make_run(tmp_path, "reference_raw")
    run = Run.open(path)
    run.info["system"]["spec"] = "recorded:somewhere"
    run.save_info()
    assert not tables.tables(tables.find([path]))[0].truth
    for sample in run.samples:
        run.add_synthesis(Synthesis(sample.id, f"audio/{sample.id}.flac", file_digest(sample.truth), 16000, 0.5))
    table = tables.tables(tables.find([path, make_run(tmp_path, "flite", seed=1)]))[0]
    assert table.truth.name == "reference_raw" and table.systems[0].excess


def test_two_runs_of_one_system_are_told_apart(make_run, tmp_path):

    runs = [make_run(tmp_path / "x", "flite", version="1"), make_run(tmp_path / "y", "flite", version="2")]
    names = [entry.name for entry in tables.tables(tables.find(runs))[0].entries]
    assert sorted(names) == ["flite (1)", "flite (2)"]


# --- in Chromium --------------------------------------------------------------------------------------------------


def test_it_plays_and_asks_for_nothing_outside(opened):
    tab, asked = opened
    button = tab.locator(".rows .play").first
    button.click()
    position = 0.0
    for _ in range(50):
        position = tab.evaluate("document.getElementById('sound').currentTime")
        if position > 0.05:
            break
        tab.wait_for_timeout(50)
    assert position > 0.05
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.getElementById('sound').paused")
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert tab.evaluate("window.broken === undefined")


def test_it_sorts_with_the_worst_first_and_back(opened):
    tab, _ = opened

    def column():
        cells = tab.locator(".rows tbody tr td:nth-child(3)").all_inner_texts()
        return [float(cell) for cell in cells if cell not in ("–", "failed")]

    head = tab.get_by_role("button", name="WER % ↓")
    head.focus()
    tab.keyboard.press("Enter")
    assert column() == sorted(column(), reverse=True) and column()[0] == 100.0
    assert tab.locator(".rows th[aria-sort=descending]").count() == 1
    tab.keyboard.press("Enter")
    assert column() == sorted(column())


def test_it_filters_and_searches(opened):
    tab, _ = opened
    count = tab.locator(".explorer output")
    assert count.inner_text() == "90 rows"
    tab.get_by_label("System").select_option(label="espeak-ng")
    assert count.inner_text() == "30 of 90 rows"
    tab.get_by_label("Show").select_option("failed")
    assert count.inner_text() == "2 of 90 rows" and "out of memory" in tab.locator(".rows tbody").inner_text()
    tab.get_by_label("Show").select_option("")
    tab.get_by_role("searchbox").fill("number 12 about")
    assert count.inner_text() == "1 of 90 rows"
    assert "number 12" in re.sub(r"\s+", " ", tab.locator(".rows td.say").inner_text())


def test_transcript_differences_are_marked(opened):
    tab, _ = opened
    tab.get_by_label("System").select_option(label="espeak-ng")
    tab.get_by_label("Show").select_option("wrong")
    assert tab.locator(".rows del").count() > 5 and tab.locator(".rows ins").count() > 5
    tab.get_by_label("Show").select_option("right")
    assert tab.locator(".rows del").count() == 0


def test_no_sideways_scrolling_on_a_phone_or_in_print(opened):
    tab, _ = opened
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.emulate_media(media="print")
    assert not tab.locator(".player").is_visible() and not tab.locator(".tools").is_visible()


def test_tables_of_groups_and_of_words_are_cards_on_a_phone(opened):
    tab, _ = opened
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.wait_for_timeout(200)
    wide = "[...document.querySelectorAll('.stack')].filter((each) => each.offsetWidth > each.parentNode.clientWidth)"
    assert tab.locator("table.stack").count() > 2 and tab.evaluate(f"{wide}.length") == 0
    assert tab.locator("details.fail table").count() == tab.locator("details.fail table.stack").count() > 0
    words = tab.locator("td.often").first
    assert words.evaluate("(each) => getComputedStyle(each, '::before').content").startswith("attr") or (
        "substituted most" in words.evaluate("(each) => getComputedStyle(each, '::before').content")
    )


def test_the_list_shows_the_metrics_of_the_first_table_first(make_run, tmp_path):
    run = Run.open(make_run(tmp_path, "mixed", sound=False))
    own = {metric.name: metric for metric in run.metrics("embedded")}
    cards = [own["pesq"], replace(own["wer"], name="cer", title="CER"), *(own[n] for n in ("rtf", "sim_o", "wer"))]
    scores = {name: run.scores("embedded", name) for name in own} | {"cer": run.scores("embedded", "wer")}
    cards[1], cards[-1] = cards[-1], cards[1]
    run.write_scores(run.protocol("embedded"), {card.name: scores[card.name] for card in cards}, cards)
    listed = report_page.utterances(reports.load([run.path])[0], clips.Clips(tmp_path))["metrics"]
    assert [each["name"] for each in listed][:4] == ["wer", "sim_o", "rtf", "cer"]


def test_paper_holds_every_column_of_the_list(make_run, tmp_path, browser):
    run = Run.open(make_run(tmp_path, "a-system-of-some-length", sound=False))
    own = run.metrics("embedded")
    more = [replace(own[2], name=f"d{n}", title="DNSMOS OVRL") for n in range(12)]
    scores = {m.name: run.scores("embedded", m.name if m in own else "dnsmos") for m in [*own, *more]}
    run.write_scores(run.protocol("embedded"), scores, [*own, *more])
    reports.write_report(reports.load([run.path]), tmp_path / "out")
    tab = browser.new_page(viewport={"width": 1040, "height": 700})  # A4 across
    tab.goto((tmp_path / "out" / "report.html").as_uri())
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert tab.locator(".rows tbody tr").count() == 20
    assert tab.evaluate("document.querySelector('.rows').offsetWidth") <= 1040
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1040
    tab.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_many_names_with_one_reason_do_not_widen_the_page(opened, width):
    tab, _ = opened
    tab.set_viewport_size({"width": width, "height": 800})
    tab.evaluate("document.querySelector('.notes dt').textContent = 'Some metric, '.repeat(40)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_rows_follow_the_metric_they_are_ranked_by_whatever_was_scored_first(make_run, tmp_path):
    timed = Run.open(make_run(tmp_path, "timed", sound=False))
    rtf = [metric for metric in timed.metrics("embedded") if metric.name == "rtf"]
    timed.write_scores(timed.protocol("embedded"), {"rtf": timed.scores("embedded", "rtf")}, rtf)
    bad = make_run(tmp_path, "bad", error=0.6, sound=False)
    good = make_run(tmp_path, "good", error=0.01, sound=False)
    assert [entry.name for entry in reports.load([timed.path, bad, good])[0].entries] == ["good", "bad", "timed"]


def test_linked_audio_plays_and_says_when_it_is_gone(make_run, browser, tmp_path, plays):
    run = make_run(tmp_path, "flite", texts=[*NASTY[:2], "a plain sentence"])
    report_page.write_page(tables.tables(tables.find([run])), tmp_path / "out", cap_mb=0)
    tab = browser.new_page()
    tab.goto((tmp_path / "out" / "report.html").as_uri())
    tab.locator(".explorer").scroll_into_view_if_needed()
    tab.locator(".rows .play").first.click()
    assert plays(tab)
    (run / "audio" / "utt-0001.flac").unlink()
    tab.locator(".rows tbody tr").nth(1).locator(".play").first.click()
    tab.wait_for_timeout(400)
    assert "file in the run folder" in tab.locator("#now").inner_text()
    tab.close()
