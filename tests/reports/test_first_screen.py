"""The first table of report and leaderboard: it fits, its headings stay, a phone has cards, paper has everything."""

from __future__ import annotations

import pytest

from ttsbench import cli

TEXTS = [f"sentence number {i} with a few more words in it" for i in range(130)]


@pytest.fixture(scope="module")
def pages(make_run, tmp_path_factory):
    """Report and leaderboard of the same three runs."""
    root = tmp_path_factory.mktemp("first")
    runs = [
        make_run(root, "ground-truth", 0.01, 0.8, TEXTS, sound=False),
        make_run(root, "good", 0.05, 0.6, TEXTS, seed=1, sound=False),
        make_run(root, "a-system-with-a-name-that-is-rather-long", 0.4, 0.6, TEXTS, failed=(3, 7), seed=2, sound=False),
    ]
    cli.main(["report", *map(str, runs)])
    cli.main(["leaderboard", *map(str, runs), "--out", str(root / "leaderboard")])
    return {"report": root / "runs" / "report.html", "leaderboard": root / "leaderboard" / "leaderboard.html"}


@pytest.fixture(params=["report", "leaderboard"])
def tab(request, pages, browser):
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.goto(pages[request.param].as_uri())
    yield tab
    tab.close()


@pytest.mark.parametrize("width", [1440, 1182])
def test_the_table_fits_and_its_headings_stay_in_sight(tab, width):
    tab.set_viewport_size({"width": width, "height": 420})
    table = tab.locator("table.main").first
    assert tab.locator(".scroll").first.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    heads = [text.split("\n")[0] for text in table.locator("thead th").all_inner_texts()]
    assert heads == ["Rank", "System", "WER", "SIM-o", "DNSMOS", "RTF", "Failed"]
    table.locator("tbody tr").last.scroll_into_view_if_needed()
    tab.mouse.wheel(0, 60)
    tab.wait_for_timeout(200)
    head, row = table.locator("thead th").first.bounding_box(), table.locator("tbody tr").first.bounding_box()
    assert head["y"] >= -0.5 and row["y"] < head["y"] + head["height"]  # the rows pass below the headings


def test_who_leads_and_by_how_much_stands_first(tab):
    said = tab.inner_text("main")
    assert said.index("good is the most intelligible") < said.index("Failed")
    for words in ("Intelligible?", "The same voice?", "Natural?", "Fast?", "130 utterances, 10 speakers", "2 of 130"):
        assert words in said, words
    row = tab.locator("table.main tbody tr", has_text="rather-long").first
    assert "rank 2" in row.inner_text() and row.locator(".ex").count() >= 3  # the excess over the recordings
    bold = tab.locator("table.main").first.locator("td.best").all_inner_texts()
    assert len(bold) == 1 and "rank 1" in bold[0]  # WER alone; SIM-o, DNSMOS and RTF were drawn around one mean


def test_every_column_is_explained_in_sight(tab):
    fold = tab.locator("details.explained").first
    fold.locator("summary").click()
    told = fold.inner_text()
    for title in ("WER", "SIM-o", "DNSMOS", "RTF", "Failed rows", "Small lines"):
        assert title in told
    assert "closeness to the prompt's voice" in told and tab.locator("table.main th[title]").count() == 0


def test_each_system_is_a_card_on_a_phone(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    row = tab.locator("table.main tbody tr", has_text="good").first
    name, *cells = [each.bounding_box() for each in [row.locator("th"), *row.locator("td:not(.rank)").all()]]
    assert all(box["width"] > 250 for box in cells)
    tops = [name["y"], *(box["y"] for box in cells)]
    assert tops == sorted(tops) and len(set(tops)) == len(tops)  # one below the other
    ends = (
        "(each) => [...each.querySelectorAll('.v, .none')].map((one) => Math.round(one.getBoundingClientRect().right))"
    )
    assert len(set(row.evaluate(ends))) == 1  # the values stand below each other, whatever is said beside them


@pytest.mark.parametrize("width", [1182, 390])
def test_a_fold_holds_its_table_without_a_second_frame_and_names_stay_whole(tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    fold = tab.locator("details.folded").first
    fold.locator("summary").click()
    sides = "(box) => [box.getBoundingClientRect().left, box.getBoundingClientRect().right].map(Math.round)"
    outer, inner = fold.evaluate(sides), fold.locator(".scroll").evaluate(sides)
    assert abs(outer[0] - inner[0]) <= 1 and abs(outer[1] - inner[1]) <= 1
    name = fold.locator("tbody th bdi", has_text="ground-truth").first
    assert name.evaluate("(each) => each.getClientRects().length") == 1


def test_a_table_that_fits_has_no_box_that_scrolls_on_its_own(tab):
    tab.set_viewport_size({"width": 1182, "height": 300})
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.wait_for_timeout(200)
    boxes = tab.evaluate("""[...document.querySelectorAll('.scroll')].filter((box) => box.offsetParent).map((box) => {
      const table = box.firstElementChild;
      const own = !table.matches('.rows') && getComputedStyle(box).overflowY !== 'visible';
      return [own, table.offsetWidth <= box.clientWidth && table.offsetHeight < 600, table.offsetHeight > 264]; })""")
    assert not any(own for own, small, _ in boxes if small) and any(small and high for _, small, high in boxes)


def test_a_wide_table_says_that_there_is_more(tab):
    tab.set_viewport_size({"width": 760, "height": 800})
    box = tab.locator(".edge").first
    assert "right" in box.get_attribute("class") and "left" not in box.get_attribute("class")
    tab.locator(".scroll").first.evaluate("(each) => { each.scrollLeft = 40; }")
    tab.wait_for_timeout(200)
    assert "left" in box.get_attribute("class")


def test_paper_has_everything(tab, pages):
    folded = tab.locator("details:not([open])").count()
    assert folded
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    if "report" in tab.url:
        assert tab.locator(".rows tbody tr").count() == 3 * len(TEXTS)
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details:not([open])").count() == folded
