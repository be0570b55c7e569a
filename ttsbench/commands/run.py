"""speak test sets with systems, score, and write the page"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench import arguments
from ttsbench.errors import UserError

if TYPE_CHECKING:
    from ttsbench import benchfile

LATER = ("hard", "emergent")  # sets that come after the others, by how their names begin
QUICK = "quick"  # the default test set, where it is there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench run`."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="BENCH.toml", help="a file that holds these options (see init)"
    )
    parser.add_argument("--title", default="", help="heading of the page")
    parser.add_argument(
        "--system", action="append", metavar="SPEC", help="name, CARD.toml, http:URL, python:FILE.py:CLASS"
    )
    parser.add_argument("--testset", action="append", metavar="SPEC", help="a name, or LAYOUT=PATH (see list testsets)")
    parser.add_argument(
        "--map", action="append", type=arguments.column, metavar="FIELD=COLUMN", help="a column of your manifest"
    )
    parser.add_argument("--full", action="store_true", help="every embedded test set, not only the quick one")
    parser.add_argument("--protocol", action="append", metavar="NAME", help="how to score (default: embedded)")
    parser.add_argument(
        "--metrics",
        type=arguments.words,
        default=(),
        metavar="LIST",
        help="only these, such as wer,sim-o (all)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)")
    parser.add_argument("--name", help="name in the tables, for a single system")
    parser.add_argument(
        "--limit", type=arguments.count(), default=0, metavar="N", help="only N samples of each test set (default: all)"
    )
    parser.add_argument("--seed", type=arguments.count(0), default=0, help="seed of the systems (default: 0)")
    parser.add_argument(
        "--seeds", type=arguments.count(), default=1, metavar="N", help="speak every sample with N seeds (default: 1)"
    )
    parser.add_argument(
        "--jobs", type=arguments.count(), default=1, help="utterances spoken at once; above 1 spoils latency (1)"
    )
    parser.add_argument("--score-jobs", type=arguments.count(), default=0, help="scoring processes (one a core)")
    parser.add_argument(
        "--timeout", type=arguments.number(0), default=300.0, metavar="S", help="seconds an utterance may take (300)"
    )
    parser.add_argument(
        "--device",
        type=arguments.devices,
        default="cpu",
        help="cpu, cuda, mps, or several: cuda:0,cuda:1 (default: cpu)",
    )
    parser.add_argument("--again", action="store_true", help="start over instead of resuming")
    parser.add_argument("--retry", action="store_true", help="speak failed rows once more")
    parser.add_argument(
        "--shared-machine", action="store_true", help="rank timings although other programs use this machine"
    )
    parser.add_argument(
        "--threshold",
        action="append",
        type=arguments.limit,
        metavar="METRIC=VALUE",
        help="exit with 1 where a system's value is worse, in the unit printed",
    )
    parser.add_argument(
        "--shard", type=arguments.shard, metavar="I/N", help="only every N-th sample from the I-th; see merge"
    )
    parser.add_argument(
        "--machine-price", type=arguments.number(0), metavar="USD", help="of this machine for an hour: adds the cost"
    )
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="spread over a Ray cluster (no address: one here)"
    )
    parser.add_argument(
        "--fail-on-error", type=arguments.share, default=0.0, metavar="SHARE",
        help="exit with 1 only where more than this share of a system's rows failed (0)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Speak, score, report. 1 where more rows failed than --fail-on-error allows, a system could not run or is worse
    than a threshold."""
    from ttsbench import benchfile, campaign

    if options.file:
        options = benchfile.merged(options.file, options.words, parser())
    specs = options.system or default_systems()
    if not specs:
        raise UserError("no system can speak here; name one with --system")
    if options.name and len(specs) > 1:
        raise UserError(f"--name {options.name} needs a single system, not {len(specs)}")
    if options.full and options.testset:
        raise UserError("--full runs every embedded test set: leave out --testset")
    testsets = with_columns(options.testset or default_testsets(options.full), options.map)
    names = {specs[0]: options.name} if options.name else {}
    plan = campaign.plan_of(options)
    done = campaign.bench(plan, specs, testsets, names)
    return campaign.finish(done, plan.out, options.json, options.fail_on_error, plan)


def parser() -> benchfile.Parser:
    """The options of `ttsbench run`, for a file that holds them."""
    from ttsbench import benchfile

    found = benchfile.Parser(prog="ttsbench run", allow_abbrev=False, add_help=False)
    add_arguments(found)
    return found


def default_systems() -> list[str]:
    """The systems of this repository whose weights are here; the others are named."""
    from ttsbench import systems

    own = [item for item in systems.listing() if item.kind == "in-repo"]
    for item in own:
        if item.missing:
            print(f"{item.card.name}: left out, {item.missing}", file=sys.stderr)
    return [item.card.name for item in own if not item.missing]


def with_columns(specs: list[str], columns: list[tuple[str, str]] | None) -> list[str]:
    """The specs with the columns of `--map` in those of manifests. Raises UserError where none is one."""
    from ttsbench import testsets

    found = [testsets.mapped(spec, dict(columns or ())) for spec in specs]
    if columns and found == specs:
        raise UserError(f"--map {'='.join(columns[0])}: none of the test sets is a manifest; give manifest=FILE")
    return found


def default_testsets(full: bool) -> list[str]:
    """The quick set; with `full`, and where there is no quick set, every other embedded one, ordinary speech first."""
    from ttsbench import testsets

    embedded = [row["spec"] for row in testsets.listing() if row["where"] == "embedded"]
    embedded.sort(key=lambda name: (LATER.index(name.split("-")[0]) if name.startswith(LATER) else -1, name))
    return [QUICK] if QUICK in embedded and not full else [name for name in embedded if name != QUICK]
