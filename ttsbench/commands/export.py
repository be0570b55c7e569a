"""write runs as the files of other tools"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ttsbench import exchange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench export`."""
    known = "; ".join(f"{name}: {exchange.about(name)}" for name in exchange.names())
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", choices=exchange.names(), help=known.replace("%", "%%")
    )
    parser.add_argument("--out", type=Path, default=Path("exported"), help="folder of the files (default: exported)")


def run(options: argparse.Namespace) -> int:
    """Write, and say what was written."""
    from ttsbench.store import Run

    form = exchange.format_named(options.to)
    for file in form.write([Run.open(folder) for folder in options.runs], options.out):
        print(file)
    print(f"in {options.out}: {form.ABOUT}", file=sys.stderr)
    return 0
