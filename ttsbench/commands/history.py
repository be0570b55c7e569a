"""how the numbers went over commits and dates, as a page"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ttsbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench history`."""
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument(
        "--append", type=Path, metavar="FILE", help="add the runs to FILE (one line a point, for CI) and show all of it"
    )
    parser.add_argument(
        "--commits",
        type=Path,
        metavar="FOLDER",
        help="runs that git keeps in FOLDER, at every commit that changed them",
    )
    parser.add_argument("--out", type=Path, default=Path("history.html"), help="the page (default: history.html)")
    parser.add_argument("--title", default="History", help="heading of the page")


def run(options: argparse.Namespace) -> int:
    """Collect points, write the page, say what is on it and which steps were found."""
    from ttsbench.reports.history import page, points

    found = points.of_runs(options.runs) if options.runs else []
    if options.commits:
        found += points.of_commits(options.commits)
    if options.append:
        added = points.add(found, options.append)
        found = points.kept(options.append)
        print(f"{added} points added to {options.append}, which now holds {len(found)}", file=sys.stderr)
    if not found:
        raise UserError("nothing to show: give run folders, --append FILE or --commits FOLDER")
    series = page.write_page(found, options.out, options.title)
    for each in series:
        for drawn in each.charts:
            for step in drawn.steps:
                change = f"from {step.before} to {step.after} at {step.at} {step.commit}"
                print(f"{each.title}, {drawn.metric.title}: {change}", file=sys.stderr)
    counts = f"{len(found)} points in {len(series)} series"
    print(f"{counts}. Open {options.out}", file=sys.stderr)
    return 0
