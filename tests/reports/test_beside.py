"""Pages name each other, whichever was written first, and the files beside them."""

from __future__ import annotations

import json

from ttsbench import reports
from ttsbench.reports import beside, latency_page

from .profile import profile

MARK = "<html><!--beside--><!--/beside--></html>"


def test_pages_name_each_other_and_their_files(make_run, tmp_path):
    run = make_run(tmp_path, "one", sound=False)  # lies in runs/
    report = reports.write_report(reports.load([run]), tmp_path / "runs")
    board, compared = tmp_path / "leaderboard" / "leaderboard.html", run / "compare.html"
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard" / "leaderboard.csv").write_text("")
    for page in (board, compared):
        beside.write(page, MARK)
    assert beside.links(report) == [
        ("../leaderboard/leaderboard.html", "leaderboard"),
        ("one%40toy/compare.html", "comparison (one@toy)"),
        ("results.csv", "results.csv"),
    ]
    text = report.read_text("utf-8")  # the report was there first, and names those that came later
    assert all(f'<a href="{address}">{name}</a>' in text for address, name in beside.links(report))
    assert '<a href="../runs/report.html">report</a>, <a href="leaderboard.csv">' in board.read_text()
    assert '<a href="../report.html">report</a>' in compared.read_text()


def test_a_name_cannot_script_the_links(tmp_path):
    page = tmp_path / '"><img src=x>' / "compare.html"
    beside.write(page, MARK)
    beside.write(tmp_path / "report.html", MARK)
    text = (tmp_path / "report.html").read_text()
    assert "<img" not in text and "%22%3E%3Cimg" in text


def test_the_first_lines_say_what_a_profile_found_of_the_systems_on_the_page(make_run, tmp_path):
    run = make_run(tmp_path, "one", sound=False)
    page = reports.write_report(reports.load([run]), tmp_path / "runs")
    top = page.read_text().partition("<main")[0]
    assert "requests heard" not in top
    data = profile()
    (stranger,) = data["systems"]  # its name is a script, and the report does not show it
    data["systems"].append({**stranger, "name": "one"})
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "profile.json").write_text(json.dumps(data))
    own = latency_page.write_page(data, tmp_path / "profile").read_text()
    wanted = (
        "share of requests heard within 50 / 100 / 200 ms: 0 / 50 / 100 % alone, 0 / 50 / 50 % with 2 at once; "
        "gap between chunks, p95: 120 ms alone, 240 ms with 2 at once; "
        "playback stalls: 1 of 2 alone, 1 of 2 with 2 at once; 1 repetition failed."
    )
    top = page.read_text().partition("<main")[0]  # the report was there first
    line = f'<bdi>one</bdi> {wanted} <a href="../profile/profile.html">latency profile</a>'
    assert line in top and top.count("requests heard") == 1 and "<script>window" not in top
    assert own.count(wanted) == 2  # on the profile's own page too
    again = reports.write_report(reports.load([run]), tmp_path / "runs").read_text()
    assert line in again.partition("<main")[0]
    (tmp_path / "profile" / "profile.json").write_text('{"systems": [{"name": "<b>"}]}')
    again = reports.write_report(reports.load([run]), tmp_path / "runs").read_text()
    assert "profile.json does not hold a profile (KeyError" in again and "<b>" not in again.partition("<main")[0]
