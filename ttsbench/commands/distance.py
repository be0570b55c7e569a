"""how near a run's clips are to real speech as a distribution (TTSDS2's score over embedded models)"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench.columns import table
from ttsbench.errors import UserError
from ttsbench.metrics.distributions import EMBEDDED, SCORES, missing
from ttsbench.metrics.models import MissingModel

if TYPE_CHECKING:
    from ttsbench.distribution import Nearness


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench distance`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument(
        "--against", type=Path, metavar="DIR",
        help="a folder of real speech (default: the recordings of each run's own test set)",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=sorted(SCORES), default=EMBEDDED.name,
        help=f"which features: of embedded models, or TTSDS2's with fetched weights (default: {EMBEDDED.name})",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="where models run that can: cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Measure and print: a row a run and feature, and their mean."""
    from ttsbench.audio import SUFFIXES
    from ttsbench.distribution import measure, total
    from ttsbench.store import Run

    wanted = SCORES[options.protocol]
    if gone := missing(wanted):
        fetch = f"`ttsbench fetch {wanted.name}` brings all that has an address"
        raise MissingModel("\n".join([f"{wanted.name} needs models that are not here; {fetch}", *gone]))
    found = {}
    for folder in options.runs:
        opened = Run.open(folder)
        clips = [path for row in opened.syntheses.values() if (path := opened.audio(row)) and path.is_file()]
        if options.against:
            real = sorted(path for path in options.against.rglob("*") if path.suffix.lower() in SUFFIXES)
        else:
            real = [sample.truth for sample in opened.samples if sample.truth]
        if not real:
            raise UserError(f"{folder}: its test set has no recordings; give a folder of real speech by --against")
        found[folder.name] = measure(clips, real, wanted, options.device)
    if options.json:
        runs = {name: [asdict(each) for each in rows] for name, rows in found.items()}
        totals = {name: round(total(rows), 2) for name, rows in found.items() if any(each.counted for each in rows)}
        print(json.dumps({"score": wanted.name, "totals": totals, "runs": runs}, allow_nan=False))
        return 0
    print(table([_row(name, each) for name, rows in found.items() for each in rows]))
    for name, rows in found.items():
        print(f"{name}: {total(rows):.1f} of 100 ({wanted.name}, mean of the factors that count)")
    return 0


def _row(name: str, each: Nearness) -> dict[str, object]:
    return {
        "run": name,
        "factor": each.factor + ("" if each.counted else " (not counted)"),
        "feature": each.feature,
        "score of 100": f"{each.score:.1f}",
        "to real speech": f"{each.real:.4g}",
        "to noise": f"{each.noise:.4g}",
        "clips": each.clips,
        "failed": each.failed,
    }
