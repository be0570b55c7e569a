"""Numbers over commits and dates: points, steps, the page."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ttsbench.cli import main
from ttsbench.errors import UserError
from ttsbench.records import Metric
from ttsbench.reports.history import points
from ttsbench.reports.history.page import series, write_page
from ttsbench.reports.history.points import Figure, Point
from ttsbench.reports.history.steps import steps

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "")
RTF = Metric("rtf", "RTF", "", "lower", 0, None, "speed", "")


def point(day: int, wer: float | None, rtf: float = 0.1, machine: str = "box", **changes: object) -> Point:
    figures = (
        Figure(WER, wer, wer and wer - 0.01, wer and wer + 0.01, 0 if wer else 5, 5),
        Figure(RTF, rtf, None, None, 0, 5),
    )
    when = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T10:00:00+00:00"
    base = Point(when, f"{day:040x}", "hum", "1", "toy", "d", "embedded", 2, machine, f"runs/{day}", figures)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1, 1, 1, 1, 2, 2, 2, 2], [4]),
        ([1] * 20 + [1.1] * 5, [20]),  # an unchanged system, then another one
        ([1, 1, 1, 5, 1, 1, 1], []),  # an outlier
        ([1] * 10 + [2], []),  # one new value is no level yet
        ([1] * 10 + [2] * 3, [10]),
        ([3] * 8, []),
        ([1, 2], []),
    ],
)
def test_a_step_is_a_level_that_lasts(values: list[float], expected: list[int]) -> None:
    assert steps(values) == expected
    assert steps([1000 * value for value in values]) == expected


def test_steps_in_noise_are_found_and_noise_has_none() -> None:
    rng = np.random.default_rng(0)
    alarms = sum(bool(steps(rng.normal(size=n))) for n in (8, 30, 200) for _ in range(100))
    assert alarms <= 6
    found = [steps(rng.normal(size=40) + 3 * (np.arange(40) >= 20)) for _ in range(50)]
    assert sum(any(abs(at - 20) <= 1 for at in each) for each in found) >= 45


def test_points_of_one_series_are_in_the_order_of_time_and_a_step_names_its_commit() -> None:
    found = series([point(day, 0.05 if day < 6 else 0.09) for day in reversed(range(12))])
    assert len(found) == 1 and [p.when for p in found[0].points] == sorted(p.when for p in found[0].points)
    (step,) = found[0].charts[0].steps
    assert (step.before, step.after, step.kind, step.commit) == ("5.00", "9.00", "bad", f"{6:040x}"[:10])


def test_other_digests_versions_and_systems_are_other_series() -> None:
    others = [{"digest": "e"}, {"protocol_version": 3}, {"system": "sing"}, {"testset": "tin"}, {"protocol": "p"}]
    assert len(series([point(0, 0.1), *(point(1, 0.1, **change) for change in others)])) == 6


def test_speed_is_neither_joined_nor_searched_across_machines_and_quality_is() -> None:
    moved = [point(day, 0.05, 0.1 if day < 5 else 0.3, "box" if day < 5 else "other box") for day in range(10)]
    wer, rtf = series(moved)[0].charts
    assert rtf.steps == [] and rtf.line.count("M") == 2 and wer.line.count("M") == 1
    same = [replace(each, machine="box") for each in moved]
    assert len(series(same)[0].charts[1].steps) == 1


def test_a_metric_that_failed_on_every_row_is_shown_as_a_gap() -> None:
    chart = series([point(0, 0.1), point(1, None), point(2, 0.1)])[0].charts[0]
    assert chart.gone.count("M") == 1 and chart.dots.count("M") == 2


def test_runs_become_points_that_a_file_keeps_once(
    tmp_path: Path, make_run, capsys: pytest.CaptureFixture[str]
) -> None:
    run, kept, page = make_run(tmp_path, "hum"), tmp_path / "history.jsonl", tmp_path / "page.html"
    for _ in range(2):  # the second time there is nothing new
        assert main(["history", str(run), "--append", str(kept), "--out", str(page)]) == 0
    assert "0 points added" in capsys.readouterr().err
    (line,) = kept.read_text().splitlines()
    told = json.loads(line)
    assert told["system"] == "hum" and told["when"] == "2026-01-01T00:00:00"
    names = {figure["metric"]["name"] for figure in told["figures"]}
    assert {"wer", "sim_o", "rtf"} <= names and "pesq" not in names  # it applies to no row
    assert points.kept(kept) == points.of_runs([run]) and "WER" in page.read_text()


def test_a_broken_line_is_named_and_nothing_to_show_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--out", str(tmp_path / "x.html")]) == 1
    assert "nothing to show" in capsys.readouterr().err
    broken = tmp_path / "history.jsonl"
    broken.write_text('{"when": 3}\n')
    assert main(["history", "--append", str(broken), "--out", str(tmp_path / "x.html")]) == 1
    assert "history.jsonl, line 1" in capsys.readouterr().err


def git(folder: Path, *words: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *own, *words], check=True, capture_output=True)


def test_runs_that_git_keeps_give_a_point_for_each_commit(tmp_path: Path, make_run) -> None:
    git(tmp_path, "init", "-q")
    for error in (0.0, 0.5):
        make_run(tmp_path, "hum", error=error, sound=False)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "-m", "scores")
    found = points.of_commits(tmp_path / "runs")
    values = [next(f.value for f in p.figures if f.metric.name == "wer") for p in found]
    assert values[0] == 0 and values[1] and values[1] > 0.2 and len({p.commit for p in found}) == 2
    with pytest.raises(UserError, match="git repository"):
        points.of_commits(tmp_path.parent)


def test_texts_of_runs_are_only_text_on_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    write_page([point(0, 0.1, system=evil, commit=evil, version=evil)], tmp_path / "h.html", title=evil)
    assert "<script>alert" not in (tmp_path / "h.html").read_text()


def test_what_was_measured_once_is_listed_and_not_drawn(tmp_path: Path, browser) -> None:
    found = [point(0, 0.1), point(1, 0.2), point(1, 0.3, digest="otherrows"), point(2, 0.4, protocol_version=3)]
    write_page(found, tmp_path / "h.html")
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto((tmp_path / "h.html").as_uri())
    assert tab.locator("section.history").count() == 1 and tab.locator("figure").count() == 2
    assert tab.locator(".between").first.inner_text().split() == ["2026-01-01", "2026-01-02"]  # below the line
    assert tab.locator(".two").evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0  # nothing is cut
    once = tab.locator("section").last
    assert "Measured once" in once.inner_text() and "otherrow" in once.inner_text()
    assert "30.00 (29.00 to 31.00)" in once.text_content() and "version 3" in once.inner_text()
    for value in ("10.00", "20.00", "+100.0 %"):  # before, after, change: in sight on a phone
        box = tab.locator(".two td").get_by_text(value).first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, value
    tab.close()


def test_a_thousand_points_open_and_two_of_them_are_compared(tmp_path: Path, browser) -> None:
    path = tmp_path / "history.html"
    write_page([point(day % 300, 0.05 + day % 7 / 100, commit=str(day)) for day in range(1000)], path)
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    faults: list[str] = []
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    begun = time.perf_counter()
    tab.goto(path.as_uri())
    tab.wait_for_selector(".two table")
    print(f"open after {time.perf_counter() - begun:.2f} s")
    assert tab.locator(".two tbody tr").count() == 3
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    before = tab.locator(".two").inner_text()
    tab.locator(".timeline svg").first.click(position={"x": 5, "y": 40})
    assert tab.locator(".two").inner_text() != before and not faults
    assert "ttsbench compare" in tab.locator(".command").inner_text()
    for select in tab.locator("select").all():
        assert select.locator("option").count() == 1  # so many options would be most of the page's time
        select.focus()
        assert select.locator("option").count() == 1000
    first = tab.locator("select").first
    assert first.input_value() == "998"  # unchanged when the list was opened
    first.select_option("3")
    assert "· 900 ·" in tab.locator(".two tbody tr").first.inner_text()
    chosen = tab.locator(".two").inner_text()
    link = tab.get_by_text("Link to these two points").evaluate("link => link.href")
    tab.close()
    again = browser.new_page(viewport={"width": 390, "height": 800})
    again.goto(link)
    assert again.locator(".two").inner_text() == chosen
    again.goto(path.as_uri() + "#two-0-4000-1")  # no such point
    assert again.locator(".two tbody tr").count() == 3
    again.close()
