"""learn how much repeated runs of one system differ, for compare"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench calibrate`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="runs of one system that differ in the seed")
    parser.add_argument("--out", type=Path, default=Path("calibration.json"), help="default: calibration.json")
    parser.add_argument("--json", action="store_true", help="the same on standard output")


def run(options: argparse.Namespace) -> int:
    """Write the calibration file and say how many metrics it holds."""
    from ttsbench.reports.comparison import calibration
    from ttsbench.store import write_atomically

    rows = calibration.spread(options.runs)
    data = {"format": 1, "runs": [str(path) for path in options.runs], "spread": rows}
    write_atomically(options.out, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    if options.json:
        print(json.dumps(data, ensure_ascii=False, allow_nan=False))
    runs = max((row["runs"] for row in rows), default=0)
    print(
        f"{len(rows)} metrics calibrated over up to {runs} runs; use it with compare --calibration {options.out}.",
        file=sys.stderr,
    )
    return 0
