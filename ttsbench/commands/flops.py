"""floating-point operations of a system, with the convention printed"""

from __future__ import annotations

import argparse
import json

from ttsbench import arguments
from ttsbench.columns import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench flops`."""
    parser.add_argument(
        "systems", nargs="*", metavar="SYSTEM", help="in-repo systems (default: all), or any with --run"
    )
    parser.add_argument(
        "--seconds", type=arguments.number(0), default=10.0, help="seconds of speech to make (default: 10)"
    )
    parser.add_argument("--run", action="store_true", help="count a real synthesis of seed-mini instead of a full size")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(options: argparse.Namespace) -> int:
    """Print operations under every convention, or as counted on a run."""
    from ttsbench import systems
    from ttsbench.speed import operations

    if options.run:
        rows = [operations.counted(spec) for spec in options.systems]
    else:
        rows = [operations.computed(name, options.seconds) for name in options.systems or systems.with_costs()]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(table(rows))
    if not options.run:
        print(f"\nGFLOP for {options.seconds:g} s of speech, full-size models, by torch's counter:")
        for convention in operations.CONVENTIONS:
            print(f"  {convention.name}: {convention.words()}")
    return 0
