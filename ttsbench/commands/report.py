"""write report.html and results.csv from run folders"""

from __future__ import annotations

import argparse
from pathlib import Path

from ttsbench import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench report`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="folder for report.html and results.csv (default: beside the runs)")
    parser.add_argument("--title", default="", help="heading of the page (default: the systems' names)")
    parser.add_argument(
        "--label", type=arguments.label, action="append", default=[], metavar="NAME=LABEL",
        help="call a system, or a run folder's system, otherwise",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Write the page from files alone. 1 where rows have no usable output."""
    from ttsbench import campaign
    from ttsbench.benchmark import Plan

    first = options.runs[0]
    beside = first.parent if (first / "run.json").exists() or first.is_file() else first
    out, labels = options.out or beside, dict(options.label)
    plan = Plan(title=options.title)
    return campaign.finish(campaign.Campaign(options.runs), out, options.json, plan=plan, labels=labels)
