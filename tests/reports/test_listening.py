"""Rating sheets: the workbook, the listening page in a browser, and what comes back."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import openpyxl
import pytest

from ttsbench.errors import UserError
from ttsbench.reports.listening import analysis, files, workbook
from ttsbench.reports.listening import plan as plans
from ttsbench.reports.tables import ReportError

from .ratings import SYSTEMS, TEXTS, fill, main, rated


@pytest.fixture(scope="module")
def runs(make_run, tmp_path_factory):
    return rated(make_run, tmp_path_factory.mktemp("rated"))


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "handout"
    assert main("export", *runs, "--design", "category", "--raters", 8, "--out", out, "--seed", 3) == 0
    return out, out.with_name("handout.key.json")


# --- the workbook -------------------------------------------------------------------------------------------------


def test_workbook_protects_validates_and_keeps_text_as_text(exported):
    out, key = exported
    assert key.exists() and not list(out.rglob("*key*"))
    names = {path.name for path in out.iterdir()}
    assert names == {"audio", *[f"rater-{i:02d}.{kind}" for i in range(1, 9) for kind in ("xlsx", "html")]}
    book = openpyxl.load_workbook(out / "rater-01.xlsx")
    sheet = book["Ratings"]
    heads = [cell.value for cell in sheet[1]]
    assert heads == ["Item", "Category", "Text", "Listen", "About", "1", "2", "3", "Answer", "Comment"]
    assert sheet.protection.sheet and sheet.freeze_panes == "B2" and book["Instructions"].protection.sheet
    unlocked = {cell.column for row in sheet.iter_rows() for cell in row if not cell.protection.locked}
    assert unlocked == {heads.index("Answer") + 1, heads.index("Comment") + 1}
    assert sheet.data_validations.dataValidation[0].formula1 == '"1,2,3"'
    texts = {row[2].value: row[2] for row in sheet.iter_rows(min_row=2)}
    assert all(cell.data_type == "s" for cell in texts.values()) and {"=1+1", "@SUM(A1)"} <= set(texts)
    assert all(cell.quotePrefix for text, cell in texts.items() if text[0] in "=+-@")
    links = [row[3].hyperlink.target for row in sheet.iter_rows(min_row=2)]
    assert all((out / link).is_file() for link in links)
    told = {row[1].value: row[4].value for row in sheet.iter_rows(min_row=2)}
    assert told == {"Questions": "how Questions sound", "Emotions": "how Emotions sound"}


def test_control_characters_and_endless_texts_do_not_break_it(make_run, tmp_path):
    run = make_run(tmp_path, "x", texts=["bell \x07 and null \x00 here", "long " * 9000, "two\nlines"])
    main("export", run, "--out", tmp_path / "out", "--raters", 1)
    sheet = openpyxl.load_workbook(tmp_path / "out" / "rater-01.xlsx")["Ratings"]
    texts = [row[2].value for row in sheet.iter_rows(min_row=2)]
    assert any("\ufffd" in text for text in texts) and max(map(len, texts)) == 32767


def test_every_bad_cell_is_named(exported, tmp_path, capsys):
    out, key = exported
    path = tmp_path / "rater-01.xlsx"
    answers = {"001": "4", "002": "good", "003": None, "004": 2.0, "005": " 3 "}
    fill(out / "rater-01.xlsx", lambda item: answers.get(item, 2), path)
    book = openpyxl.load_workbook(path)
    book["Ratings"]["A9"].value = "001"  # a duplicate
    book.save(path)
    status = main("import", path, path, tmp_path / "none.json", "--key", key, "--out", tmp_path / "r", "--json")
    data = json.loads(capsys.readouterr().out)
    text = "\n".join(data["problems"])
    assert status == 1 and "cell I2: item 001 is answered '4', allowed are 1, 2, 3" in text
    assert "cell I3: item 002 is answered 'good'" in text and "cell I4: item 003 has no answer" in text
    assert "cell I9: item 001 stands already in cell I2" in text and "handed in twice" in text and "none.json" in text
    given = workbook.read(path, plans.DESIGNS["category"]).values
    assert given["004"] == "2" and given["005"] == "3" and "001" not in given


def test_foreign_files_are_refused(exported, tmp_path):
    out, key = exported
    (tmp_path / "x.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(UserError, match="no usable answers"):
        main("import", tmp_path / "x.xlsx", "--key", key, "--out", tmp_path / "r")
    with pytest.raises(ReportError, match="not a key"):
        main("import", out, "--key", tmp_path / "x.xlsx", "--out", tmp_path / "r")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"study": "wrong", "rater": "rater-01", "items": ["001"], "answers": {"001": "2"}}))
    with pytest.raises(UserError, match="belongs to study"):
        main("import", other, "--key", key, "--out", tmp_path / "r")


# --- a panel ------------------------------------------------------------------------------------------------------


def simulate(folder, key, rng, bias, bad=()):
    """Fill every workbook: quality of the system + the rater's severity + noise; bad raters answer by chance."""
    for number, (rater, items) in enumerate(sorted(key["items"].items())):

        def answer(item, items=items, rater=rater, number=number):
            if rater in bad:
                return rng.choice([1, 2, 3])
            system = items[items[item]["repeats"] or item]["systems"][0]
            quality = {"ground-truth": 1.2, "degraded": -2.0, **SYSTEMS}[system]
            steady = random.Random(f"{rater}{items[item]['sample']}{system}").gauss(0, 0.25)
            return int(np.clip(round(2 + quality + bias[number] + steady), 1, 3))

        fill(folder / f"{rater}.xlsx", answer)


def test_round_trip_of_a_panel_of_eight(runs, tmp_path, capsys):
    out = tmp_path / "handout"
    main("export", *runs, "--design", "category", "--raters", 8, "--out", out)
    key = plans.load_key(tmp_path / "handout.key.json")
    bias = [-0.3, 0.3, 0.0, 0.2, -0.2, 0.1, -0.1, 0.0]
    simulate(out, key, np.random.default_rng(0), bias, bad=("rater-05",))
    capsys.readouterr()
    status = main("import", out, "--key", tmp_path / "handout.key.json", "--out", tmp_path / "r", "--json")
    data = json.loads(capsys.readouterr().out)
    assert status == 0 and data["problems"] == []
    means = {name: cuts["all"]["value"] for name, cuts in data["cells"].items()}
    assert sorted(means, key=lambda name: -means[name]) == ["ground-truth", "best", "middle", "worst"]
    assert [rater["name"] for rater in data["raters"] if not rater["kept"]] == ["rater-05"]
    assert data["alpha"] > 0.6
    sure = {frozenset((pair["first"], pair["second"])): pair["p_adjusted"] for pair in data["pairs"]}
    assert sure[frozenset(("best", "worst"))] < 0.001
    assert set(data["cells"]["best"]) == {"all", "Questions", "Emotions"}
    page = (tmp_path / "r" / "ratings.html").read_text()
    assert "rater-05" in page and page.count("<figure") == 2 and "Bradley-Terry" not in page
    others = ", ".join(f"rater-{number:02d}" for number in range(1, 9) if number != 5)
    assert f"alpha (ordinal) of {others}:" in page and data["counted"] == others.split(", ")
    lines = (tmp_path / "r" / "ratings.csv").read_text().splitlines()
    assert lines[0] == "rater,item,sample,category,system,role,value" and len(lines) > 8 * len(TEXTS)


# Krippendorff 2011: four observers, twelve units; the published ordinal alpha is 0.815.
OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "1233244125 1.".replace(" ", "")]


def test_alpha_of_filled_sheets_equals_the_literature(make_run, tmp_path, capsys):
    run = make_run(tmp_path, "one", texts=[f"unit {i}" for i in range(12)])
    for path in (run / "samples.jsonl",):  # no recordings: the only condition is the system
        path.write_text(path.read_text().replace("/truth/", "/gone/"))
    study = plans.plan(plans.gather([run]), plans.DESIGNS["mos"], 4, 0, load=1, anchors=0, repeats=0)
    files.write(study, tmp_path / "out", tmp_path / "key.json")
    for row, (rater, items) in zip(OBSERVERS, sorted(study.sheets.items()), strict=True):
        unit = {item.id: int(item.sample.split("-")[1]) for item in items}
        fill(
            tmp_path / "out" / f"{rater}.xlsx",
            lambda item, row=row, unit=unit: row[unit[item]].replace(".", "") or None,
        )
    main("import", tmp_path / "out", "--key", tmp_path / "key.json", "--out", tmp_path / "r", "--json")
    data = json.loads(capsys.readouterr().out)
    assert data["alpha"] == pytest.approx(0.815, abs=0.0006)
    assert sum("has no answer" in problem for problem in data["problems"]) == 7


def test_where_nobody_passes_the_checks_no_rater_is_named(runs, tmp_path, capsys):
    main("export", *runs, "--design", "ab", "--raters", 1, "--sentences", 4, "--out", tmp_path / "out")
    key = plans.load_key(tmp_path / "out.key.json")
    items = key["items"]["rater-01"]
    low = {i: "B" if items[i]["systems"].index("degraded") else "A" for i in items if "degraded" in items[i]["systems"]}
    fill(tmp_path / "out" / "rater-01.xlsx", lambda item: low.get(item, "none"))
    capsys.readouterr()
    assert main("import", tmp_path / "out", "--key", tmp_path / "out.key.json", "--out", tmp_path / "r") == 0
    assert "alpha of no rater not defined" in capsys.readouterr().err
    page = (tmp_path / "r" / "ratings.html").read_text()
    assert "not counted: heard the degraded signal" in page
    main("import", tmp_path / "out", "--key", tmp_path / "out.key.json", "--out", tmp_path / "all", "--keep-all")
    assert "counted although the rater heard the degraded signal" in (tmp_path / "all" / "ratings.html").read_text()
    assert "alpha (ordinal) of no rater:" in page and "a scale needs answers on at least two systems" in page


@pytest.mark.parametrize("design, worse, better", [("cmos", "-2", "2"), ("ab", "A", "B")])
def test_pairs_are_joined_whichever_came_first(runs, tmp_path, capsys, design, worse, better):
    out = tmp_path / "handout"
    main("export", *runs, "--design", design, "--raters", 4, "--sentences", 8, "--out", out)
    key = plans.load_key(tmp_path / "handout.key.json")
    level = {"ground-truth": 5, "degraded": -5, "best": 2, "middle": 1, "worst": 0}
    for rater, items in key["items"].items():
        fill(
            out / f"{rater}.xlsx",
            lambda i, items=items: worse if level[items[i]["systems"][0]] > level[items[i]["systems"][1]] else better,
        )
    capsys.readouterr()
    assert main("import", out, "--key", tmp_path / "handout.key.json", "--out", tmp_path / "r", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    found = {(pair["first"], pair["second"]): pair["value"] for pair in data["pairs"]}
    assert found[("best", "middle")] < 0 and found[("best", "worst")] < 0 and found[("middle", "worst")] < 0
    assert all(rater["kept"] and rater["anchors"] == 1.0 and rater["repeats"] == 1.0 for rater in data["raters"])
    assert [each["name"] for each in data["scale"]] == ["best", "middle", "worst"]
    assert all(each["low"] < each["value"] < each["high"] for each in data["scale"])
    page = (tmp_path / "r" / "ratings.html").read_text()
    assert "Bradley-Terry" in page and page.count(" to ") > 3


def test_a_rater_who_cannot_hear_the_anchor_fails():
    def row(role, system, value, item):
        return analysis.Rating("r", item, "s", "", (system,), role, value)

    rows = [row("rated", "x", 3, "1"), row("anchor", "degraded", 5, "2"), row("anchor", "degraded", 4, "3")]
    found = analysis.check("r", rows, plans.DESIGNS["mos"])
    assert found.anchors == 0.0 and not found.kept and "degraded" in found.why and found.repeats is None


@pytest.mark.parametrize("design, count", [("mos", 5), ("cmos", 7), ("ab", 3), ("category", 3)])
@pytest.mark.parametrize("width", [320, 390, 700, 1440])
def test_answer_buttons_are_of_equal_size(runs, browser, tmp_path, design, count, width):
    """A larger button is chosen more often."""
    out = tmp_path / "handout"
    main("export", *runs, "--design", design, "--raters", 1, "--sentences", 2, "--load", 1, "--out", out)
    tab = browser.new_page(viewport={"width": width, "height": 844})
    tab.goto((out / "rater-01.html").as_uri())
    tab.get_by_role("button", name="Begin").click()
    boxes = [button.bounding_box() for button in tab.get_by_role("radio").all()]
    assert len(boxes) == count
    for side in ("width", "height"):
        sizes = [box[side] for box in boxes]
        assert max(sizes) - min(sizes) <= 1, sizes
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


@pytest.mark.parametrize("design", ["mos", "ab"])
def test_raters_are_told_nothing_of_anchors_and_repeats(runs, tmp_path, design):
    out = tmp_path / "handout"
    main("export", *runs, "--design", design, "--raters", 1, "--sentences", 4, "--load", 1, "--out", out)
    book = openpyxl.load_workbook(out / "rater-01.xlsx")
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value]
    page = re.sub(r"data:audio[^\"]*", "", (out / "rater-01.html").read_text("utf-8"))
    for word in ("deliberate", "twice.", "come twice", "anchor", "repeat", "degraded", "ground-truth", *SYSTEMS):
        assert not any(word in text.lower() for text in cells), word
        assert f">{word}" not in page and f'"{word}' not in page, word


# --- the listening page -------------------------------------------------------------------------------------------


def test_listening_page_from_end_to_end(runs, browser, tmp_path, capsys):
    out = tmp_path / "handout"
    main("export", *runs, "--design", "category", "--raters", 1, "--sentences", 2, "--load", 1, "--out", out)
    asked, faults = [], []
    context = browser.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    tab = context.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto((out / "rater-01.html").as_uri())
    tab.get_by_role("button", name="Begin").click()
    total = int(tab.locator("#count").inner_text().split(" of ")[1])
    assert tab.get_by_role("radio").first.is_disabled() and tab.locator("#next").is_disabled()
    tab.keyboard.press("2")
    assert tab.locator("#count").inner_text().startswith("0 of")  # not before it was heard to the end
    answers = {}
    for number in range(total):
        name = tab.locator("#where").inner_text().split()[1]
        tab.locator(".clips .play").click()
        tab.wait_for_selector(".scale button:enabled", timeout=8000)
        if number == 1:  # a reload in the middle keeps what was answered and heard
            tab.reload()
            assert (
                tab.locator("#count").inner_text().startswith("1 of")
                and tab.locator("#where").inner_text().split()[1] == name
            )
        value = str(number % 3 + 1)
        answers[f"{int(name):03d}"] = value
        tab.keyboard.press(value)
        assert tab.locator('.scale [aria-checked="true"]').get_attribute("data-value") == value
        tab.locator("#next").click()
    assert "Every item is answered" in tab.locator("#left").inner_text()
    assert tab.locator("#outcome").inner_text() == "Thank you"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Save answers").click()
    saved = tmp_path / "answers-rater-01.json"
    waiting.value.save_as(saved)
    assert json.loads(saved.read_text())["answers"] == answers
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked) and not faults
    context.close()
    capsys.readouterr()
    assert main("import", saved, "--key", tmp_path / "handout.key.json", "--out", tmp_path / "r", "--keep-all") == 0
    assert f"{total} answers of 1 rater," in capsys.readouterr().err


def test_the_end_of_a_test_says_what_is_open_before_it_thanks(runs, browser, tmp_path):
    out = tmp_path / "handout"
    main("export", *runs, "--design", "ab", "--raters", 1, "--sentences", 2, "--load", 1, "--out", out)
    page = (out / "rater-01.html").read_text("utf-8")
    assert "Answers: A, none = no preference, B." in page and "space plays, A, N, B answer" in page
    assert page.count("<p>Which one do you prefer?") == 0 and "<p>6 items.</p>" in page.replace("\n", "")
    context = browser.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True)
    tab = context.new_page()
    tab.goto((out / "rater-01.html").as_uri())
    tab.get_by_role("button", name="Begin").click()
    assert tab.locator("#where").inner_text() == "Item 1 of 6"
    tab.evaluate("state.at = study.items.length; show()")
    assert tab.locator("#outcome").inner_text() == "Not finished yet"
    assert "6 items are not answered yet" in tab.locator("#left").inner_text()
    back, save = (tab.locator(name).bounding_box() for name in ("#review", "#save"))
    assert abs(back["height"] - save["height"]) <= 1 and abs(back["y"] - save["y"]) <= 1
    context.close()


@pytest.mark.parametrize("given", ["4", " 4 ", "+4", "4.0", "\uff14", 4, 4.0])
def test_answers_as_spreadsheets_keep_them(given):
    found = workbook.Answers("", "")
    workbook.take(found, plans.DESIGNS["mos"], "001", given, "here")
    assert found.values == {"001": "4"} and not found.problems
    assert [workbook._number(each) for each in ("1", 1, 1.0, "001", "\uff11")] == ["001"] * 5


def test_every_file_of_a_folder_of_sheets_is_read_or_named(make_run, tmp_path, capsys):
    run = make_run(tmp_path, "one", texts=[f"unit {i}" for i in range(4)])
    study = plans.plan(plans.gather([run]), plans.DESIGNS["mos"], 4, 0, load=1, anchors=0, repeats=0)
    files.write(study, tmp_path / "out", tmp_path / "key.json")
    first, second, third, *_ = sorted(study.sheets)
    for rater in (first, second):
        fill(tmp_path / "out" / f"{rater}.xlsx", lambda item: "4")
    (tmp_path / "out" / f"{second}.xlsx").rename(tmp_path / "out" / f"{second}.XLSX")
    (tmp_path / "out" / f"{third}.xlsx").rename(tmp_path / "out" / f"{third}.csv")
    assert main("import", tmp_path / "out", "--key", tmp_path / "key.json", "--out", tmp_path / "r") == 1
    out, err = capsys.readouterr()
    assert f"{third}.csv: not read" in out and f"{second}.XLSX" not in out
    assert f"no sheet came back of {third}" in err
