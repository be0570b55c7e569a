"""write report.html and results.csv from run folders"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench report`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="folder for report.html and results.csv (default: beside the runs)")
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Write the page from files alone. 1 where rows have no usable output."""
    from ttsbench import campaign

    first = options.runs[0]
    beside = first.parent if (first / "run.json").exists() or first.is_file() else first
    return campaign.finish(campaign.Campaign(options.runs), options.out or beside, options.json)
