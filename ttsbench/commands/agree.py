"""which metric agrees with listeners: correlations of ratings and metrics, per system and per utterance"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ttsbench import arguments
from ttsbench.errors import UserError
from ttsbench.progress import number_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench agree`."""
    parser.add_argument(
        "ratings", type=Path, metavar="SHEETS", help="folder of filled sheets, or a CSV: rater, system, sample, rating"
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders of the rated systems")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the key that `ratings export` wrote (with sheets)")
    parser.add_argument("--keep-all", action="store_true", help="count raters that fail anchors or repeats too")
    parser.add_argument("--seed", type=arguments.count(0), default=0, help="of the intervals' draws (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("agreement"), help="folder of agreement.html and .csv")
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Join, measure, write and print. Returns 1 where rated systems are not among the runs."""
    from ttsbench import reports
    from ttsbench.commands.ratings import sheets
    from ttsbench.reports.agreement import join, output, panel

    table = options.ratings.suffix.lower() == ".csv"
    if table and options.key:
        raise UserError(f"--key belongs to sheets; {options.ratings} names its systems itself")
    if not table and not options.key:
        raise UserError("give --key FILE, which `ttsbench ratings export` wrote, or a .csv file of ratings")
    rated = (
        panel.of_table(options.ratings)
        if table
        else panel.of_sheets(sheets([options.ratings]), options.key, options.keep_all)
    )
    found = join.compare(rated, reports.load(options.runs), options.seed)
    page = output.write(found, options.out)
    if options.json:
        print(json.dumps(output.plain_data(found), ensure_ascii=False, allow_nan=False))
    else:
        output.print_tables(found)
    missing = sorted(set.intersection(*(set(each.missing) for each in found)))
    for line in [*rated.left_out, *(f"rated, but not among the runs: {name}" for name in missing)]:
        print(line, file=sys.stderr)
    print(
        f"{number_of(len(rated.raters), 'rater')}, {number_of(len(rated.clips), 'clip')}. Open {page}", file=sys.stderr
    )
    return 1 if missing else 0
