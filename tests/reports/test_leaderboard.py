"""The leaderboard: ranks, growth without audio, formats, and the page in a browser."""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
from dataclasses import replace

import pytest

from ttsbench import reports
from ttsbench.commands import leaderboard as command
from ttsbench.records import Sample
from ttsbench.reports import charts, markdown, ranking, reported, values
from ttsbench.reports.leaderboard import entries, files
from ttsbench.reports.tables import ReportError
from ttsbench.store import Run, write_lines

TEXTS = [f"sentence number {i} with a few more words in it" for i in range(40)]


def main(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def grown(make_run, tmp_path_factory):
    """A board that got its runs one by one, each run deleted before the next came."""
    root = tmp_path_factory.mktemp("board")
    out = root / "board"
    for name, error, sim in (("ground-truth", 0.01, 0.8), ("good", 0.05, 0.6), ("alike", 0.05, 0.6), ("bad", 0.4, 0.3)):
        run = make_run(root, name, error, sim, TEXTS, seed=ord(name[0]))
        assert main(run, "--out", out) == 0
        shutil.rmtree(root / "runs")
    return out


def test_it_grows_without_the_other_runs_audio(grown):
    table = entries.load(grown)[0]
    assert table.entries[0].name == "ground-truth" and len(table.systems) == 3
    entry = Run.open(next(grown.glob("entries/good@*")))
    assert all(sample.prompt is None and sample.truth is None for sample in entry.samples)
    assert not list((entry.path).glob("audio/*")) and len(list(entry.path.glob("clips/*.mp3"))) >= 5
    assert not any(score.detail for score in entry.scores("embedded", "wer"))
    kept = entries.examples(table.systems[0], "embedded")
    assert [row["kind"] for row in kept] == ["best", "median", "worst"]
    assert kept[0]["value"] <= kept[1]["value"] <= kept[2]["value"] and kept[0]["clips"]["output"].exists()


def test_systems_that_do_not_differ_share_ranks(grown):
    table = entries.load(grown)[0]
    places = {name: ranks.get("wer") for name, ranks in ranking.views(table)[0].ranks.items()}
    assert places["ground-truth"] is None  # the recordings are not ranked
    assert places["good"] == places["alike"] == (1, 2) and places["bad"] == (3, 3)
    assert values.rank_text((1, 2)) == "1 to 2" and values.rank_text((3, 3)) == "3"


def test_views_cut_by_category(grown):
    views = ranking.views(entries.load(grown)[0])
    assert [(view.kind, view.name) for view in views] == [
        ("all", "all"),
        ("category", "Questions"),
        ("category", "Emotions"),
    ]
    assert views[0].cells["good"]["wer"].asked == 40 and views[1].cells["good"]["wer"].asked == 20


def test_adding_a_run_again_replaces_it(make_run, tmp_path):
    out = tmp_path / "board"
    main(make_run(tmp_path, "good", 0.3, texts=TEXTS, sound=False), "--out", out)
    main(make_run(tmp_path, "good", 0.0, texts=TEXTS, sound=False), "--out", out)
    table = entries.load(out)[0]
    assert len(table.entries) == 1 and table.entries[0].cells["wer"].value == 0.0
    assert not list((out / "entries").glob(".*"))


def board(folder):
    """The Markdown with each cell's padding gone."""
    return re.sub(r" +", " ", (folder / "leaderboard.md").read_text())


def test_markdown_csv_and_latex(grown):
    text = board(grown)
    assert "| 1 to 2 | good |" in text and "Holm" in text
    with (grown / "leaderboard.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    one = next(r for r in rows if r["system"] == "bad" and r["metric"] == "wer" and r["view"] == "all")
    assert (one["rank_best"], one["rank_worst"], one["kind"], one["scored"]) == ("3", "3", "measured", "40")
    tex = (grown / "leaderboard.tex").read_text()
    assert r"\toprule" in tex and tex.count("{") == tex.count("}")


@pytest.mark.parametrize(
    "name, shown, tex", [("a|b", r"a\|b", "a|b"), ("50%_{x}", r"50%\_\{x\}", r"50\%\_\{x\}"), ("a&b", r"a\&b", r"a\&b")]
)
def test_names_cannot_break_the_formats(make_run, tmp_path, name, shown, tex):
    main(make_run(tmp_path, name, texts=TEXTS, sound=False), "--out", tmp_path / "b")
    assert f"| {shown} |" in board(tmp_path / "b")
    assert f"{tex} & " in (tmp_path / "b" / "leaderboard.tex").read_text()
    assert markdown.escaped("<img src=x>") == r"\<img src=x\>"


def test_reported_rows_stand_apart(make_run, grown, tmp_path, monkeypatch):
    folder = tmp_path / "reported"
    folder.mkdir()
    (folder / "seed_tts_eval.csv").write_text("# a note\nsystem,test_en_wer_pct\nHuman,2.14\n=Evil,1\n")
    found = reported.load(folder)
    assert found[0].rows == [["Human", "2.14"], ["=Evil", "1"]]
    rows = [Sample(f"common_voice_en_{n}-common_voice_en_{n + 1}", "text") for n in range(1088)]
    assert reported.for_testset("", "/data/my-own.lst", rows, found) == found  # whatever the set is called
    assert reported.for_testset("", "meta.lst", rows[:10], found) == []  # a part of it is another set
    assert reported.for_testset("", "meta.lst", [Sample(f"s{n}", "text") for n in range(1088)], found) == []
    assert reported.for_testset("", "meta.lst", [replace(row, task="resynthesis") for row in rows], found) == []
    monkeypatch.setattr(reported, "load", lambda folder=None: [] if folder else found)
    shutil.copytree(grown, tmp_path / "b")
    main("--out", tmp_path / "b")
    page = (tmp_path / "b" / "leaderboard.html").read_text()
    assert page.index("Reported in the literature") > page.index("Results on toy")
    lines = (tmp_path / "b" / "leaderboard.csv").read_text()
    assert "reported,seed_tts_eval,as published,,all,Human" in lines and "'=Evil" in lines


def test_figures_of_2026_stand_under_the_sets_that_they_are_of():
    """CV3-Eval and MiniMax's set a language, known by rows and address, and never a part of them."""
    found = reported.load()

    def under(source, language, count):
        rows = [Sample(f"row-{n}", "text", language) for n in range(count)]
        return {table.name: table.rows for table in reported.for_testset("", source, rows, found)}

    cv3 = under("github.com/FunAudioLLM/CV3-Eval", "de", 500)
    assert [row[:2] for row in cv3["cv3_eval"]] == [
        ["CosyVoice3-1.5B", "6.43"], ["Fish Audio S2", "2.22"], ["VoxCPM2", "4.77"]
    ]  # fmt: skip
    assert under("/data/CV3-Eval/data/zero_shot/hard_en", "en", 64)["cv3_eval"][0][1] == "11.96"
    assert under("github.com/FunAudioLLM/CV3-Eval", "de", 100) == {} and under("/my/list", "de", 500) == {}
    minimax = under("huggingface.co/datasets/MiniMaxAI/TTS-Multilingual-Test-Set", "yue", 100)["minimax_multilingual"]
    assert ["MiniMax-Speech", "34.111", "0.778"] in [row[:3] for row in minimax] and len(minimax) == 4
    for table in found:
        assert not set(table.sets) - set(reported.SETS), table.name


def test_reported_rows_of_ones_own_are_joined_by_digest_and_kept(grown, tmp_path):
    board, file = shutil.copytree(grown, tmp_path / "b"), tmp_path / "mine.csv"
    text = "# measured by a friend\nsystem,testset,wer_pct,sim_o,source\n"
    text += "Theirs,{},2.50,0.7,a paper\nOther,elsewhere,3,,b\n"
    file.write_text(text.format("toydigest"))
    assert main("--out", board, "--reported", file) == 0
    main("--out", board)  # it stays without being named again
    page = (board / "leaderboard.html").read_text()
    first, others = page.split("on test sets that are not on this board")
    assert "Theirs" in first and "WER %" in first and "SIM-o" in first and "measured by a friend" in first
    assert "Other" in others and "Theirs" not in others and "wer_pct" not in page
    assert "<details" in first[first.index("Reported in the literature") : first.index("Theirs")]
    file.write_text(text.format("toy"))  # the name of the test set is no identity
    main("--out", board, "--reported", file)
    assert "Theirs" in (board / "leaderboard.html").read_text().split("on test sets that are not on this board")[1]


@pytest.mark.parametrize(
    "text, said", [("system,wer_pct\n", "holds no rows"), ("system,wer_pct\na,1\nb\n", "line 3: 1 cells under 2")]
)
def test_a_file_of_reported_rows_that_cannot_be_used_is_refused_whole(grown, tmp_path, text, said):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ReportError, match=said):
        entries.add_reported([tmp_path / "mine.csv"], tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_headings_of_reported_rows_are_words():
    named = "test_en_wer_pct", "system", "frame_rate_hz", "pesq_wb", "my_own_column", "KALL"
    assert [reported.heading(name) for name in named] == [
        "test-en WER %", "System", "frame rate Hz", "PESQ wide band", "My own column", "KALL"
    ]  # fmt: skip


def test_a_table_of_reported_rows_has_a_title_in_words(grown, tmp_path):
    (tmp_path / "mine_2.csv").write_text("# title: Voices of my paper\n# a note\nsystem,wer_pct\nA,1\n")
    table = reported.read(tmp_path / "mine_2.csv")[0]
    assert (table.title, table.note) == ("Voices of my paper", "a note")
    titles = [each.title for each in reported.load()]
    assert len(set(titles)) == len(titles)  # the parts of a file say which test set they are of
    assert not [each.title for each in reported.load() if each.title == each.name.replace("_", " ")]


def test_a_board_of_one_table_offers_nothing_to_choose(make_run, tmp_path, browser):
    runs = [make_run(tmp_path, name, texts=TEXTS[:1]) for name in ("good", "bad")]
    main(*runs, "--out", tmp_path / "b")
    faults = []
    tab = browser.new_page()
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto((tmp_path / "b" / "leaderboard.html").as_uri())
    assert not faults and tab.locator("header .tools").count() == 0 and tab.locator("section.set").is_visible()
    tab.close()


def test_the_board_counts_second_opinions_without_what_they_heard(make_run, tmp_path):
    path = make_run(tmp_path, "good", texts=TEXTS, sound=False)
    rows = Run.open(path).scores("embedded", "wer")
    heard = [
        replace(row, detail={"second": "what it heard"} | ({"unsure": "far"} if n < 2 else {}))
        for n, row in enumerate(rows)
    ]
    write_lines(path / "scores" / "embedded" / "wer.jsonl", heard)
    main(path, "--out", tmp_path / "b")
    assert "two recognisers disagree on 2 of 40 rows" in (tmp_path / "b" / "leaderboard.html").read_text()
    assert "what it heard" not in "".join(each.read_text() for each in (tmp_path / "b").rglob("wer.jsonl"))


def test_title_and_labels(grown, make_run, tmp_path, capsys):
    board = shutil.copytree(grown, tmp_path / "b")
    main("--out", board, "--title", "Voices & co.", "--label", "good=Good one", "--label", "bad@toy=Bad one")
    page = (board / "leaderboard.html").read_text()
    assert (
        "<h1><bdi>Voices &amp; co.</bdi></h1>" in page
        and "<bdi>Good one</bdi>" in page
        and "<bdi>bad</bdi>" not in page
    )
    main("--out", board)
    assert "<bdi>Good one</bdi>" in (board / "leaderboard.html").read_text()
    with pytest.raises(ReportError, match="no system on the board to label 'godo'; did you mean 'good'"):
        main("--out", grown, "--label", "godo=x")
    run = make_run(tmp_path, "good", texts=TEXTS, sound=False)
    assert reports.load([run], {"good@toy": "Good one"})[0].entries[0].name == "Good one"
    with pytest.raises(ReportError, match="no system or run to label 'x'"):
        reports.load([run], {"x": "y"})


def test_pareto_front_and_ticks():
    assert charts.pareto([(1, 3), (2, 2), (3, 3), (2, 2)]) == [True, True, False, True]
    assert charts.ticks(0.283, 0.777)[0] <= 0.283 and charts.ticks(0.283, 0.777)[-1] >= 0.777
    assert charts.ticks(1, 1)[-1] >= 1 and charts.decades(0.02, 3.0) == pytest.approx([0.01, 0.1, 1.0, 10.0])


def test_json_output(grown, capsys):
    main("--out", grown, "--json")
    data = json.loads(capsys.readouterr().out)
    assert data[0]["views"][0]["ranks"]["bad"]["wer"] == [3, 3]


def test_a_metric_that_no_table_has_is_refused(grown):
    with pytest.raises(ReportError, match="no metric to rank by 'werr'; did you mean 'wer'"):
        files.write(grown, "werr")
    with pytest.raises(ReportError, match="--by pesq: the metric is no headline, or has no number in any run"):
        files.write(grown, "pesq")


def test_a_wrong_metric_is_told_before_a_run_is_added(make_run, tmp_path):
    run = make_run(tmp_path, "alpha", sound=False)
    with pytest.raises(ReportError, match="did you mean 'wer'"):
        main(run, "--out", tmp_path / "board", "--by", "werr")
    assert not (tmp_path / "board").exists()


def test_only_who_is_alone_in_a_rank_is_marked(make_run, grown, tmp_path, capsys):
    lines = [line for line in board(grown).splitlines() if line.startswith("| 1 to 2 |")]
    assert len(lines) == 2 and not any("**" in line for line in lines)
    runs = [make_run(tmp_path, name, error, texts=TEXTS, sound=False) for name, error in (("good", 0.02), ("bad", 0.6))]
    assert main(*runs, "--out", tmp_path / "board") == 0
    text, tex = board(tmp_path / "board"), (tmp_path / "board" / "leaderboard.tex").read_text()
    good, bad = (next(line for line in text.splitlines() if f"| {name} |" in line) for name in ("good", "bad"))
    assert good.startswith("| 1 | good | **") and "**" not in bad.split("|")[3]
    assert re.search(r"good & \\textbf", tex) and re.search(r"bad & \\underline", tex)
    alike, both = reports.load([grown / "entries"])[0], reports.load(runs)[0]
    assert alike.first["wer"] is None and both.first["wer"].name == "good"


def test_page_sorts_filters_and_plays(grown, browser, plays):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    asked, faults = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto((grown / "leaderboard.html").as_uri())

    def names():
        return tab.locator("table.main:visible tbody th bdi").all_inner_texts()[0:8:1]

    assert names()[0] == "ground-truth"
    tab.locator("table.main:visible").get_by_role("button", name="WER").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Enter")
    order = [name for name in names() if name != "1.0"]
    assert order[:2] == ["ground-truth", "bad"]
    tab.locator("table.main:visible").get_by_role("button", name="SIM-o").click()
    assert "ranked by SIM-o" in tab.locator("p.lead:visible").first.inner_text()
    best = tab.locator("table.main:visible tbody tr:not(.truth)").first
    assert best.locator("td.rank").inner_text() in ("1", "1 to 2") and "bad" not in best.locator("th").inner_text()
    assert tab.get_by_role("link", name="leaderboard.csv").get_attribute("href") == "leaderboard.csv"
    tab.get_by_label("Category").select_option("Questions")
    assert tab.locator("p.lead:visible").first.inner_text().startswith("Questions: 20 utterances")
    tab.locator(".play").first.click()
    assert plays(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.set_viewport_size({"width": 1040, "height": 700})  # A4 across; on paper nothing can be scrolled
    tab.emulate_media(media="print")
    wide = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth + 1).length"
    assert tab.evaluate(wide) == 0
    assert all(url.startswith(("file:", "data:")) for url in asked) and not faults
    tab.close()


def test_counted_operations_become_a_column(make_run, tmp_path):
    counted = tmp_path / "flops.json"
    counted.write_text(json.dumps([{"system": "good", "GFLOP per 10 s": "1,234.50"}]))
    main(make_run(tmp_path, "good", texts=TEXTS, sound=False), "--out", tmp_path / "b", "--operations", counted)
    assert "1,234.5" in (tmp_path / "b" / "leaderboard.html").read_text()
    assert "| 1,234.5 |" in board(tmp_path / "b")
    with pytest.raises(ReportError, match="not the output"):
        main("--out", tmp_path / "b", "--operations", tmp_path / "missing.json")


def test_anchors_are_shown_but_never_ranked(make_run, tmp_path):
    runs = [
        make_run(tmp_path, "good", 0.1, 0.5, TEXTS, sound=False),
        make_run(tmp_path, "silence", 1.0, 0.9, TEXTS, sound=False),
    ]
    main(*runs, "--out", tmp_path / "b")
    table = entries.load(tmp_path / "b")[0]
    assert [entry.name for entry in table.entries] == ["good", "silence"] and [e.name for e in table.systems] == [
        "good"
    ]
    assert "silence" in (tmp_path / "b" / "leaderboard.md").read_text()


def test_a_system_cannot_script_the_board(make_run, tmp_path):
    main(make_run(tmp_path, "<img src=x onerror=alert(1)>", texts=TEXTS, sound=False), "--out", tmp_path / "b")
    page = (tmp_path / "b" / "leaderboard.html").read_text()
    assert "<img src=x" not in page and "&lt;img src=x" in page
