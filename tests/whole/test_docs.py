"""The documents keep their word: the tutorial and the API page run as they stand, and every command shown is one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ttsbench import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "README.md"]


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of every code block."""
    return re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> list[str]:
    """Every `ttsbench COMMAND ...` in a code block, up to what the shell would end it at."""
    joined = [re.sub(r"[\[\]]", "", text.replace("\\\n", " ")) for _, text in blocks(page)]  # [--optional] as given
    lines = [line for text in joined for line in text.splitlines()]
    return [found[0].strip() for line in lines for found in re.finditer(r"(?<![\w/.-])ttsbench [a-z][^&|;#>`]*", line)]


@pytest.mark.parametrize("page", ["tutorial.md", "api.md"])
def test_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT)}
    ran = 0
    for language, text in blocks(ROOT / "docs" / page):
        if language == "python":
            name = re.match(r"# file: (\S+)\n", text)
            assert name, "a Python block names its file in the first line"
            (tmp_path / name[1]).write_text(text)
        elif language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{text}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
            ran += 1
    assert ran >= 2


def test_the_tutorial_ends_in_a_board_and_pages() -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text()
    assert "board/leaderboard.html" in text and "runs/report.html" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_is_taken(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cli.command_names():
        monkeypatch.setattr(f"ttsbench.commands.{name}.run", lambda options: 0)
    for line in commands(page):
        try:
            assert cli.main(shlex.split(line)[1:]) == 0, line
        except SystemExit as end:
            assert end.code == 0, f"{page.name}: {line}"


def test_commands_are_found_in_the_readme() -> None:
    assert len(commands(ROOT / "README.md")) >= 5 and len(commands(ROOT / "docs" / "tutorial.md")) >= 8
