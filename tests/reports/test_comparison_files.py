"""What `ttsbench compare` writes: page, Markdown, JUnit and JSON, the exit status, a base without audio."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from ttsbench.errors import UserError
from ttsbench.records import Score
from ttsbench.reports.comparison import judge, output, thresholds
from ttsbench.reports.tables import ReportError
from ttsbench.store import Run

from .gate import TEXTS, add, change, main


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


def test_title_and_labels_of_sides_and_systems(make_run, tmp_path, capsys):
    for side, error in (("old", 0.05), ("new", 0.06)):
        for name in ("alpha", "beta"):
            make_run(tmp_path / side, name, error, texts=TEXTS[:12], sound=False)
        (tmp_path / side / "runs").rename(tmp_path / f"runs-{side}")
    old, new, page = tmp_path / "runs-old", tmp_path / "runs-new", tmp_path / "page.html"
    words = ["--label", f"{old}=release 1", "--label", "runs-new=branch <b>", "--label", "alpha=Alpha voice"]
    main(old, new, *words, "--title", "Nightly & co.", "--html", page, "--markdown", tmp_path / "m.md")
    text = page.read_text()
    assert "<h1><bdi>Nightly &amp; co.</bdi></h1>" in text and "<title>Nightly &amp; co. " in text
    assert "Alpha voice on toy" in text and "alpha on toy" not in text and "beta on toy" in text
    assert "branch <b> is" in capsys.readouterr().err and "release 1" in (tmp_path / "m.md").read_text()
    main(old, new, *words, "--html", page)
    assert "<h1><bdi>branch &lt;b&gt;</bdi> against <bdi>release 1</bdi></h1>" in page.read_text()
    with pytest.raises(ReportError, match="no side or system to label 'alhpa'; did you mean 'alpha'"):
        main(old, new, "--label", "alhpa=x")


def test_two_systems_are_called_by_their_names_and_the_page_says_where_from(make_run, tmp_path):
    sides = [make_run(tmp_path, name, texts=TEXTS[:6], sound=False) for name in ("alpha", "beta")]
    main(*sides, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<h1><bdi>beta</bdi> against <bdi>alpha</bdi></h1>" in page
    assert "After: <bdi>beta</bdi>, 2026-01-01, cpu, ttsbench 0.1" in page


def test_sides_of_one_name_are_labelled_by_their_paths(make_run, tmp_path):
    sides = [make_run(tmp_path / side, "alpha", texts=TEXTS[:6], sound=False) for side in ("old", "new")]
    page = tmp_path / "page.html"
    main(*sides, "--label", f"{sides[1]}=branch", "--html", page)
    assert "<h1><bdi>branch</bdi> against <bdi>" in page.read_text()
    with pytest.raises(ReportError, match="no side or system to label 'alpha@toy'"):
        main(*sides, "--label", "alpha@toy=branch")  # which of the two?


def test_columns_are_few_and_every_one_is_explained_in_sight(base, copy, browser):
    new = copy()
    change(new, "wer", add(lambda i: 0.05 * (i % 3)))
    main(base, new)
    tab = browser.new_page(viewport={"width": 1182, "height": 900})
    tab.goto((new / "compare.html").as_uri())
    first, more = tab.locator("table.gate").all()
    assert first.locator("thead th").all_inner_texts() == ["Change", "Metric", "Before", "After", "Difference"]
    assert first.is_visible() and not more.is_visible()
    tab.get_by_text("More columns").click()
    assert more.is_visible() and "exact paired test" in more.inner_text() and "0.5abs" in more.inner_text()
    tab.get_by_text("What the columns mean").click()
    told = ", ".join(tab.locator(".explained dt").all_inner_texts()).lower()
    heads = first.locator("thead th").all_inner_texts() + more.locator("thead th").all_inner_texts()
    assert [head for head in heads if head.lower() not in told and head != "Metric"] == []
    assert "words wrong; lower is better" in tab.locator(".explained").inner_text()
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
    """Most marks: RTF worse, SIM-o better, DNSMOS newly failing, WER inconclusive, PESQ newly working."""
    new = copy()
    change(new, "wer", lambda i, s: Score(s.sample, 1.0, s.weight, detail=s.detail) if i < 3 else s)
    change(new, "rtf", lambda i, s: Score(s.sample, s.value * 1.5, s.weight))
    change(new, "sim_o", add(lambda i: 0.1))
    change(new, "dnsmos", lambda i, s: Score(s.sample, None, error="model | missing"))
    change(new, "pesq", lambda i, s: Score(s.sample, 3.0))
    return judge.compare([base], [new])


def kept(name: str, text: str) -> str:
    """What the file of this name in snapshots/ holds. Delete it to have it written anew, and look at the difference."""
    path = Path(__file__).with_name("snapshots") / name
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} is new: look at it")
    return path.read_text("utf-8")


def test_markdown_sign_by_sign(mixed, base, copy):
    assert output.markdown(mixed) == kept("compare.md", output.markdown(mixed))
    same = judge.compare([base], [copy("same")], thresholds.parse("rtf:off"))
    assert output.markdown(same) == kept("same.md", output.markdown(same))


def test_junit_sign_by_sign(mixed):
    assert output.junit(mixed) == kept("compare.xml", output.junit(mixed))


def test_markdown_has_no_empty_places_and_is_a_table(mixed):
    text = output.markdown(mixed)
    assert "****" not in text and "None" not in text and "nan" not in text
    reader = MarkdownIt("commonmark").enable("table")
    page = ET.fromstring(f"<body>{reader.render(text.partition('<details>')[0])}</body>")
    cells = [[("".join(cell.itertext())) for cell in row] for row in page.iter("tr")]
    assert {len(row) for row in cells} == {7}
    assert [row[0] for row in cells[1:]] == ["=", "~", "-", "!", "+", "*"]
    dnsmos, rtf = (next(row for row in cells if name in row[1]) for name in ("DNSMOS", "RTF"))
    assert dnsmos[2:] == ["", "", "", "", "newly failing: no number in NEW: model | missing (60)"]
    assert rtf[4] == "1.50x" and rtf[6] == "worse"
    aligned = [cell.get("style") for cell in next(page.iter("tr"))]
    assert aligned[2:6] == ["text-align:right"] * 4


def test_junit_has_no_empty_places(mixed):
    suite = ET.fromstring(output.junit(mixed).encode())
    said = {case.get("name"): (case[0].tag, case[0].get("message"), case[0].text) for case in suite.iter("testcase")}
    texts = [text or "" for _, _, text in said.values()]
    assert not any("interval ," in text or text.startswith(" to") for text in texts)
    assert [name for name, (_, _, text) in said.items() if " p " in (text or "")] == ["wer", "sim_o", "rtf"]
    assert said["dnsmos"][:2] == ("failure", "DNSMOS is newly failing")
    assert said["dnsmos"][2].startswith(
        "newly failing: no number in NEW: model | missing (60); rows: utt-0000, utt-0001"
    )
    assert said["failures"] == ("system-out", None, "0 to 0, difference ±0, threshold 0abs, none newly failing")
    kind, _, text = said["rtf"]
    assert kind == "failure" and "difference 1.50x, 95 % interval 1." in text
    assert "p < 0.0001 (Mann-Whitney test), threshold 1.2x, worse; rows: utt-" in text
