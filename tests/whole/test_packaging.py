"""A checkout without links, as git makes it where there are none: what is imported, run and packed is the same."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("systems", "testsets", "metrics", "reports")
PROBE = """
import json
from ttsbench import metrics, reports, systems, testsets
codes = [systems.identity(name)["code"] for name in ("llasa", "hibari")]
names = sorted(item.card.name for item in systems.listing())
rows = len(testsets.load("quick").samples)
print(json.dumps([systems.__file__, names, codes, rows, metrics.protocol_names(), reports.results([])]))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with text files in place of its links, and the folders beside it."""
    place = tmp_path_factory.mktemp("checkout")
    (place / "ttsbench").mkdir()
    for path in (ROOT / "ttsbench").iterdir():
        if path.name in FOLDERS:
            (place / "ttsbench" / path.name).write_text(f"../{path.name}")
        elif path.name != "__pycache__":
            (place / "ttsbench" / path.name).symlink_to(path)
    for folder in FOLDERS:
        (place / folder).symlink_to(ROOT / folder)
    (place / "setup.py").symlink_to(ROOT / "setup.py")
    return place


def printed(place: Path, *words: str) -> str:
    paths = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=place, env=paths)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


def test_it_runs_without_links(checkout: Path) -> None:
    ours, theirs = (printed(place, "-c", PROBE) for place in (ROOT, checkout))
    assert str(checkout / "systems") in theirs
    assert theirs.split(",", 1)[1] == ours.split(",", 1)[1]
    assert "In this repository:" in printed(checkout, "-m", "ttsbench", "list", "systems")


def test_every_folder_is_packed_without_links(checkout: Path) -> None:
    probe = "import setuptools\nsetuptools.setup = lambda **given: print(given)\nexec(open('setup.py').read())"
    found = [ast.literal_eval(printed(place, "-c", probe)) for place in (ROOT, checkout)]
    assert found[0]["package_dir"] == found[1]["package_dir"] and set(found[0]["packages"]) == set(found[1]["packages"])
    named = set(found[1]["packages"])
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    folders = {path.parent.relative_to(ROOT).parts for path in files}
    lie_in = {".".join(("ttsbench", *parts)) for parts in folders if "__pycache__" not in parts}
    assert lie_in <= named and {"ttsbench", "ttsbench.commands", "ttsbench.systems.adapters.cards"} <= named


def test_the_citation_names_this_version() -> None:
    from ttsbench.version import __version__

    text = (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^version: {re.escape(__version__)}$", text, re.MULTILINE)
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{__version__}"' in project and "CITATION.cff" in (ROOT / "MANIFEST.in").read_text()
