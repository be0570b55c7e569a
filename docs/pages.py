"""Pages of the site that come from the code: a page a protocol, a page with every command's options."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from ttsbench.cli import command_names
from ttsbench.metrics import protocol, protocol_names

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+[^)]*\)")  # links out of docs/, to files of the repository


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages that are made to the navigation."""
    protocols: list[Any] = ["protocols.md", *(f"protocols/{name}.md" for name in protocol_names())]
    figures = [f"measurements/{path.name}" for path in sorted((ROOT / "docs" / "measurements").glob("*.md"))]
    config.nav = [*(config.nav or []), {"Commands": "commands.md"}, {"Protocols": protocols}, {"Measurements": figures}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The first page, a page a protocol, and the commands."""
    made = {"index.md": _readme(), "commands.md": _commands()}
    made |= {f"protocols/{name}.md": _protocol(name) for name in protocol_names()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links out of docs/ become the words they stand on: the site holds no source files."""
    return OUTSIDE.sub(r"\1", markdown)


def _readme() -> str:
    """README.md: its links into docs/ as the site has them, the others as words."""
    text = (ROOT / "README.md").read_text("utf-8")
    text = re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|docs/)[^)]*\)", r"\1", text)
    return text.replace("](docs/", "](")


def _protocol(name: str) -> str:
    """What `ttsbench list protocols --explain` says, as a page: lines, steps of the text rules, a table of columns."""
    found = protocol(name)
    parts = [f"# {name}", "", f"{found.title}. Version {found.version}.", ""]
    for line in found.explain.splitlines():
        if line.startswith("Text, rules "):
            parts += ["", f"### {line.rstrip(':')}", ""]
        else:
            parts.append(_escaped(line) if re.match(r"\d+\. ", line) else f"- {_escaped(line)}")
    parts += ["", "### Columns", "", "| column | unit | better | what it is |", "| --- | --- | --- | --- |"]
    parts += [
        f"| {m.title} | {m.unit} | {m.better} | {_escaped(m.about)} |" for m in (x.metric for x in found.measures)
    ]
    return "\n".join(parts)


def _escaped(text: str) -> str:
    """Text whose signs Markdown leaves alone, but for backquotes."""
    return re.sub(r"([\\*_{}\[\]#|])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


def _commands() -> str:
    """The help of every command as the terminal shows it."""
    environment = {**os.environ, "COLUMNS": "100"}
    parts = ["# Commands", ""]
    for name in command_names():
        about = (importlib.import_module(f"ttsbench.commands.{name}").__doc__ or "").partition("\n")[0]
        told = subprocess.run(
            [sys.executable, "-m", "ttsbench", name, "--help"], capture_output=True, text=True, check=True,
            env=environment, cwd=ROOT,
        )  # fmt: skip
        parts += [f"## {name}", "", f"{about}.", "", "```text", told.stdout.rstrip(), "```", ""]
    return "\n".join(parts)
