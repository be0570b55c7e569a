"""Pages name each other, whichever was written first, and the files beside them."""

from __future__ import annotations

from ttsbench import reports
from ttsbench.reports import beside

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
