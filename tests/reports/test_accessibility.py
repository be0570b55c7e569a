"""Every kind of page against WCAG 2.2 AA by axe-core, at three widths, light and dark, everything unfolded."""

from __future__ import annotations

import pytest

from ttsbench import cli
from ttsbench.reports.history.page import write_page as write_history
from ttsbench.reports.latency_page import write_page

from .profile import profile
from .ratings import fill
from .test_history import point

TEXTS = [f"sentence number {i} with a few more words in it" for i in range(8)]
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = {"runOnly": {"type": "tag", "values": LEVELS}, "resultTypes": ["violations"]}
PAGES = (
    "runs/report", "leaderboard/leaderboard", "compare", "history", "profile", "handout/rater-01", "means/ratings",
    "pairs/ratings", "agreement/agreement",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(make_run, tmp_path_factory):
    """A folder with one page of each kind."""
    root = tmp_path_factory.mktemp("pages")
    runs = [
        make_run(root, "ground-truth", 0.02, 0.8, TEXTS),
        make_run(root, "flite", 0.05, 0.5, TEXTS, seed=1),
        make_run(root, "espeak-ng", 0.4, 0.3, TEXTS, failed=(3,), seed=2),
    ]
    for words in (
        ["report", *runs],
        ["leaderboard", *runs, "--out", root / "leaderboard"],
        ["compare", runs[1], runs[2], "--html", root / "compare.html"],
        ["ratings", "export", *runs, "--raters", "1", "--sentences", "2", "--load", "1", "--out", root / "handout"],
    ):
        cli.main([str(word) for word in words])
    write_page(profile(), root)
    days = [point(day, 0.1 if day < 6 else 0.2) for day in range(12)]
    write_history([*days, point(3, 0.3, system="once")], root / "history.html")
    for place, design, answers in (("means", "mos", "12345"), ("pairs", "cmos", ("-2", "0", "1", "2"))):
        _rated(root, runs, place, design, answers)
    sheets = ["agree", root / "means-out", *runs, "--key", root / "means-out.key.json", "--keep-all"]
    cli.main([str(word) for word in [*sheets, "--out", root / "agreement"]])
    return root


def _rated(root, runs, place, design, answers):
    """The page of three raters, one of whom answers alike whatever is played."""
    out = root / f"{place}-out"
    words = ["export", *runs, "--design", design, "--raters", "3", "--sentences", "6", "--load", "3", "--out", out]
    cli.main(["ratings", *map(str, words)])
    for at, path in enumerate(sorted(out.glob("*.xlsx"))):
        fill(path, lambda item, at=at: answers[0 if at == 2 else sum(map(ord, item)) % len(answers)])
    words = ["import", out, "--key", root / f"{place}-out.key.json", "--out", root / place]
    cli.main(["ratings", *map(str, words)])


@pytest.mark.parametrize("page", PAGES)
def test_no_violation(folder, browser, page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab = browser.new_page()
    tab.goto((folder / f"{page}.html").as_uri())
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")  # every row of the list is drawn
    for width, scheme in ((1440, "light"), (1182, "dark"), (390, "light")):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(tab, options=RULES).response["violations"]
        told = [(each["id"], node["target"], node["failureSummary"]) for each in found for node in each["nodes"]]
        assert not told, (width, scheme, len(told), told[:8])
    tab.close()
