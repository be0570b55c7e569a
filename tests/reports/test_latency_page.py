"""profile.html in a real browser: what it says, that it runs no foreign code, and that its drawings have a size."""

from __future__ import annotations

import pytest

from ttsbench.reports.latency_page import plot, plots, timelines, write_page

from .profile import profile


@pytest.fixture
def data() -> dict:
    return profile()


def test_the_page_shows_tables_limits_plots_and_the_machine(data, tmp_path, browser):
    target = write_page(data, tmp_path)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    faults: list[str] = []
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto(target.as_uri())
    said = tab.inner_text("body")
    for words in ("A Processor", "12.5", "1,234,567", "162", "24.3", "74", "0.0625"[:5], "1 of 2"):
        assert words in said, words
    assert "no counter here" in tab.text_content("main")  # folded
    assert "it broke" in tab.text_content("details") and "window.broken = 1" in tab.inner_text("h1")
    titles = tab.locator("figure figcaption").all_inner_texts()
    for title in ("text length", "concurrency", "batch size", "chunk size"):
        assert any(title in each for each in titles), title
    assert not any("prompt length" in each for each in titles)  # one length alone is no line
    for at in range(tab.locator("svg.scatter").count()):
        box = tab.locator("svg.scatter").nth(at).bounding_box()
        assert box["width"] > 150 and box["height"] > 80
    bars = [bar.bounding_box() for bar in tab.locator("svg.track rect").all()]
    assert "p50, ms" in said and "milliseconds since the request" in said
    units = tab.locator("figure figcaption small").all_inner_texts()
    assert set(units) <= {"ms", "RTF", "audio seconds per second"} and "ms" in units  # tables and charts in one unit
    assert len(bars) == 2 and bars[1]["x"] > bars[0]["x"] + bars[0]["width"]  # playback stood still between them
    assert faults == []
    tab.close()


def test_drawings_by_hand():
    drawn = plot("t", "x", "y", [("a", [(5, [1.0, 0.5, 2.0])])])
    assert drawn is not None and drawn.lines[0].points == [(83.33, 50.0, 75.0, 0.0)]  # 5 on an axis to 6, 1 on one to 2
    assert plot("t", "x", "y", [("a", [])]) is None
    lines, axis = timelines([{"name": "s", "timeline": [(0.0, 0.0, 1.0), (1.5, 1.5, 0.5)]}])
    assert lines[0].bars == [(0.0, 50.0), (75.0, 25.0)] and lines[0].marks == [0.0, 75.0]
    assert axis[-1] == (100.0, "2000")


def test_curves_are_in_the_unit_of_the_tables(data):
    drawn = {each.title: each for each in plots(data)}
    found = drawn["First audible sample against text length"]  # 0.2 s, interval to 0.22 s
    assert found.y_title == "ms" and float(found.y_ticks[-1][1]) >= 220
    assert drawn["Real-time factor against chunk size"].y_title == "RTF"


def test_busy_repetitions_are_counted_at_the_top_and_marked_in_the_table(data, tmp_path):
    page = write_page(data, tmp_path).read_text()
    assert 'class="warning"' not in page and "busy 2 of 2" not in page
    data["systems"][0]["rows"][1]["busy"] = 2
    page = write_page(data, tmp_path).read_text()
    assert "2 of 12 repetitions were timed while other programs used the machine" in page and "busy 2 of 2" in page


def test_points_of_a_busy_machine_are_neither_drawn_nor_judged(data, tmp_path):
    def points() -> int:
        return sum(len(line.points) for each in plots(data) for line in each.lines)

    drawn, judged = points(), write_page(data, tmp_path).read_text()
    assert "not judged" not in judged
    for row in data["systems"][0]["rows"]:
        row["busy"] = row["n"] // 2  # as many quiet ones
    assert points() == drawn
    for row in data["systems"][0]["rows"]:
        row["busy"] = row["n"] // 2 + 1
    page = write_page(data, tmp_path).read_text()
    assert points() == 0 and "not judged" in page and "in the tables alone" in page and "busy 2 of 2" in page


def test_counts_have_whole_numbers_on_their_axis():
    drawn = plot("t", "utterances at once", "y", [("a", [(1, [1.0] * 3), (2, [2.0] * 3)])])
    assert drawn is not None and [label for _, label in drawn.x_ticks] == ["0", "1", "2"]
    parts = plot("t", "seconds", "y", [("a", [(1, [1.0] * 3), (1.5, [2.0] * 3)])])
    assert parts is not None and "0.5" in [label for _, label in parts.x_ticks]


def test_the_label_of_a_line_stands_beside_it_not_on_it():
    drawn = plot(
        "t", "x", "y", [("rises", [(1, [1.0] * 3), (2, [5.0] * 3)]), ("falls", [(1, [30.0] * 3), (2, [9.0] * 3)])]
    )
    rises, falls = drawn.lines
    assert rises.end.down == -9 and falls.end.down == 9  # px: above a line that comes from below, and the reverse
