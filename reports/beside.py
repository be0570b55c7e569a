"""Links between pages: each names the pages and files that lie near it, and those that are written later too.

Report and leaderboard also say what a latency profile near them found of the systems that they show.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import markupsafe

from ttsbench.reports import profiled
from ttsbench.store import write_atomically

PAGES = {
    "report.html": "report", "leaderboard.html": "leaderboard", "compare.html": "comparison",
    "profile.html": "latency profile", "history.html": "history", "ratings.html": "listening test",
    "agreement.html": "agreement of metrics and listeners",
}  # fmt: skip
FILES = (
    "results.csv", "leaderboard.csv", "leaderboard.md", "leaderboard.tex", "profile.json", "calibration.json",
    "history.jsonl", "ratings.csv", "agreement.csv",
)  # fmt: skip
FOLDERS = ("runs", "leaderboard", "profile")  # where the commands put their pages, beside each other
TABLES = ("report.html", "leaderboard.html")  # pages of systems side by side
BLOCK = re.compile(r"<!--beside-->.*?<!--/beside-->", re.DOTALL)


def write(page: Path, text: str) -> None:
    """Write a page with its links in place of its mark, and name it on the pages near it that are there already."""
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, _linked(page, text).encode())
    for other in _near(page):
        was = other.read_text("utf-8", errors="surrogateescape")
        now = _linked(other, was)
        if now != was:
            write_atomically(other, now.encode(errors="surrogateescape"))


def _linked(page: Path, text: str) -> str:
    """The page's text with its line of links in place."""
    block = _block(page, text)
    return BLOCK.sub(lambda _: block, text)


def links(page: Path) -> list[tuple[str, str]]:
    """(address, name) of the pages near `page`, then of the files in its folder."""
    folder = page.resolve().parent
    found = [(_address(other, folder), _name(other, folder)) for other in _near(page)]
    return found + [(name, name) for name in FILES if (folder / name).exists()]


def _near(page: Path) -> list[Path]:
    """Pages in the folder of `page`, above it, below it, and where other commands put theirs beside it."""
    page = page.resolve()
    folder = page.parent
    below = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    places = [folder, folder.parent, *below, *(folder.parent / name for name in FOLDERS)]
    found = (place / name for name in PAGES for place in places)
    return [each for each in dict.fromkeys(found) if each != page and each.is_file()]


def _name(page: Path, folder: Path) -> str:
    """'report'; with its folder in brackets where that says what it is of: 'comparison (flite@quick)'."""
    title = PAGES[page.name]
    return title if page.parent in (folder, folder.parent) or page.parent.name in FOLDERS else (
        f"{title} ({page.parent.name})"
    )  # fmt: skip


def _address(page: Path, folder: Path) -> str:
    return urllib.parse.quote(os.path.relpath(page, folder).replace(os.sep, "/"))


def _block(page: Path, text: str) -> str:
    """The lines of links and of profiles, between the marks by which they are found again."""
    found = [f'<a href="{markupsafe.escape(address)}">{markupsafe.escape(name)}</a>' for address, name in links(page)]
    line = f'<p class="fine beside">Beside this page: {", ".join(found)}</p>' if found else ""
    return f"<!--beside-->{line}{''.join(_profiles(page, text))}<!--/beside-->"


def _profiles(page: Path, text: str) -> Iterator[str]:
    """A line for each system of a profile near the page that stands on the page, with a link to the profile."""
    own = BLOCK.sub("", text)
    for near in _near(page) if page.name in TABLES else ():
        if near.name != "profile.html":
            continue
        link = f'<a href="{markupsafe.escape(_address(near, page.resolve().parent))}">latency profile</a>'
        for name, said in profiled.sentences(near.with_name("profile.json")):
            shown = f"<bdi>{markupsafe.escape(name)}</bdi>"
            if not name or shown in own:
                yield f'<p class="fine beside">{shown} {markupsafe.escape(said)} {link}</p>'
