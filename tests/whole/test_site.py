"""The documentation as a site: it builds without a warning, and what is made from the code is on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttsbench.cli import command_names
from ttsbench.metrics import protocol_names

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")


def test_the_site_builds_with_a_page_a_protocol_every_command_and_the_functions(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for name in protocol_names():
        assert "better" in (tmp_path / "protocols" / name / "index.html").read_text()
    commands = (tmp_path / "commands" / "index.html").read_text()
    assert all(f'id="{name}"' in commands for name in command_names())
    reference = (tmp_path / "reference" / "index.html").read_text()
    assert "ttsbench.api.score_clip" in reference and "ttsbench.records.Sample" in reference
    pages = [path.read_text() for path in tmp_path.rglob("*.html")]
    assert not [page for page in pages if "fonts.googleapis" in page or "cdn." in page]
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
