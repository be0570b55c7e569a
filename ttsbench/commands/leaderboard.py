"""rank systems from run folders, as HTML, Markdown, CSV and LaTeX"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ttsbench import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench leaderboard`."""
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders to put on the board")
    parser.add_argument(
        "--out", type=Path, default=Path("leaderboard"), help="the board's folder; it grows (default: leaderboard)"
    )
    parser.add_argument("--by", default="", metavar="METRIC", help="metric to rank by (default: the first of a table)")
    parser.add_argument(
        "--operations", type=Path, metavar="FILE", help="what `ttsbench flops SYSTEM ... --run --json` printed"
    )
    parser.add_argument(
        "--reported", type=Path, action="append", default=[], metavar="FILE",
        help="CSV of published results, shown apart from measured rows; columns: docs/reports.md",
    )  # fmt: skip
    parser.add_argument("--title", default="", help="heading of the page (default: Leaderboard)")
    parser.add_argument(
        "--label", type=arguments.label, action="append", default=[], metavar="NAME=LABEL",
        help="call a system, or a run folder's system, otherwise; kept until the run is put on the board again",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="ranks and values as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Add the runs, write leaderboard.{html,md,csv,tex}, print the tables and where the page is."""
    from ttsbench import reports
    from ttsbench.reports import ranking
    from ttsbench.reports.leaderboard import entries, files

    if options.runs:
        files.check(options.by, [*reports.load(options.runs), *entries.kept(options.out)])
        entries.add(options.runs, options.out)
    if options.label:
        entries.relabel(dict(options.label), options.out)
    entries.add_reported(options.reported, options.out)
    if options.operations:
        entries.add_operations(options.operations, options.out)
    parts = files.write(options.out, options.by, options.title)
    if options.json:
        found = [{"table": t.title, "views": ranking.dump(views)} for t, views in parts]
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        reports.print_tables([t for t, _ in parts])
    systems = {entry.name for t, _ in parts for entry in t.systems}
    page = options.out / "leaderboard.html"
    counts = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((len(systems), "system"), (len(parts), "table"))]
    print(f"{' in '.join(counts)}; open {page}.", file=sys.stderr)
    return 0
