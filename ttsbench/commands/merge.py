"""put the pieces of a run made with --shard together"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench merge`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="all pieces of one run")
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="the new run folder")
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Merge, score under the protocols of the pieces, report. 1 where rows have no usable output."""
    from ttsbench import campaign
    from ttsbench.benchmark import Plan, score_run
    from ttsbench.execute.shards import merge
    from ttsbench.progress import Progress
    from ttsbench.store import Run

    whole = merge(options.runs, options.into)
    pieces = [Run.open(path) for path in options.runs]
    protocols = dict.fromkeys(name for piece in pieces for name in piece.protocols())
    names = dict.fromkeys(each.name for piece in pieces for name in piece.protocols() for each in piece.metrics(name))
    plan = Plan(protocols=tuple(protocols) or ("embedded",), metrics=tuple(names))
    progress = Progress()
    score_run(whole, plan, progress.named(options.into.name))
    progress.close()
    return campaign.finish(campaign.Campaign([whole.path]), whole.path.parent, options.json)
