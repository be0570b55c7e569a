"""write bench.toml, a benchmark that `ttsbench run` takes"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ttsbench.commands import run as run_command
from ttsbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench init`: those of `run`, which the file then holds."""
    run_command.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Write the file; one that exists is left as it is."""
    from ttsbench import benchfile
    from ttsbench.store import write_atomically

    path = options.file or Path(benchfile.NAME)
    if path.suffix != ".toml":
        raise UserError(f"{str(path)!r}: give a file that ends in .toml")
    if path.exists():
        raise UserError(f"{path} is there already: give another name, or delete it")
    parser = run_command.parser()
    chosen = {each.dest: getattr(options, each.dest) for each in benchfile.options(parser)}
    given = {dest: value for dest, value in chosen.items() if value != parser.get_default(dest)}
    usual = {
        "title": "",
        "system": run_command.default_systems(),
        "testset": run_command.default_testsets(options.full),
        "protocol": ["embedded"],
        "seeds": 1,
    }
    write_atomically(path, benchfile.template(parser, {**usual, **given}, str(path)).encode())
    print(f"{path} is written; run it: ttsbench run {path}", file=sys.stderr)
    return 0
