"""more compute at synthesis: best of N and beam search, quality against cost"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ttsbench import arguments
from ttsbench.columns import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench scaling`."""
    count = arguments.count()
    parser.add_argument("--system", default="llasa", help="a system with `writers` (default llasa)")
    parser.add_argument("--testset", default="seed-mini", metavar="SPEC")
    parser.add_argument(
        "--limit",
        type=arguments.count(0),
        default=10,
        help="sentences, spread over the set (default 10; 0: all)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/scaling"), metavar="DIR")
    parser.add_argument("--beams", type=count, default=4, help="beams of the process search (paper 16)")
    parser.add_argument("--samples", type=count, default=4, help="continuations of each beam (paper 16)")
    parser.add_argument("--step", type=count, default=25, help="frames a step (paper 25, half a second)")
    parser.add_argument("--seconds", type=arguments.number(0), default=2.0, help="length of the partial search (2)")
    parser.add_argument("--only", choices=("orm", "prm", "all"), default="all", help="which searches to run")
    parser.add_argument(
        "--shard", type=arguments.shard, metavar="I/N", default=(1, 1), help="every N-th sentence from the I-th"
    )
    parser.add_argument("--full-prm", action="store_true", help="also the beam search to the very end")
    parser.add_argument(
        "--content", default="recognisers.faster_whisper", metavar="NAME",
        help="verifier of the words: recognisers.NAME?model=...&..., or FILE.py:FUNCTION (default: Whisper tiny.en)",
    )  # fmt: skip
    parser.add_argument(
        "--voice", default="speakers.ge2e", metavar="NAME",
        help="verifier of the voice: speakers.NAME, speakers.emotion2vec, quality.NAME#VALUE, FILE.py:FUNCTION (GE2E)",
    )  # fmt: skip
    parser.add_argument("--device", type=arguments.device, default="cpu", help="of the system (cpu)")
    parser.add_argument("--seed", type=arguments.count(0), default=0)
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(options: argparse.Namespace) -> int:
    """Speak, judge, write table and plot; 1 where sentences failed."""
    from ttsbench.systems.scaling import sweep

    asked = sweep.Sweep(**{name: getattr(options, name) for name in sweep.Sweep.__dataclass_fields__})
    rows, lines = sweep.run(asked)
    print(json.dumps(lines) if options.json else table([sweep.shown(line) for line in lines]))
    failed = [row for row in rows if row.get("error")]
    for row in failed:
        print(f"{row['sample']}: {row['error']}", file=sys.stderr)
    spoken = len({row["sample"] for row in rows}) - len(failed)
    print(
        f"{spoken} sentences searched, {len(failed)} not; table, plot and audio are in {options.out}.", file=sys.stderr
    )
    return 1 if failed or not lines else 0
