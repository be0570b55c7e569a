"""The `ttsbench` command: parses, calls, prints one closing sentence, and exits non-zero when something did not hold.

Heavy imports stay inside the functions, so that `ttsbench --help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ttsbench import __version__
from ttsbench.errors import UserError

# Commands of the rooms: a module with add_arguments(parser) and run(options) -> exit status, imported when called.
ROOM_COMMANDS = {
    "leaderboard": ("ttsbench.reports.leaderboard", "rank systems from run folders"),
    "compare": ("ttsbench.reports.compare", "did it get worse? two runs side by side, exit 1 on regression"),
    "calibrate": ("ttsbench.reports.calibrate", "learn the spread of repeated runs, for compare"),
    "ratings": ("ttsbench.reports.ratings", "blind rating sheets for listeners: export, import"),
    "profile": ("ttsbench.commands.profile", "latency, throughput and memory on this hardware"),
    "flops": ("ttsbench.speed.operations", "floating-point operations, with the convention printed"),
    "train": ("ttsbench.commands.train", "make the corpus, train codecs and systems"),
    "scaling": (
        "ttsbench.systems.scaling.sweep",
        "more compute at synthesis: best of N and beam search, quality against cost",
    ),
    "doctor": ("ttsbench.commands.doctor", "what is here, what is missing, which protocols can run"),
    "fetch": ("ttsbench.commands.fetch", "download what a protocol needs"),
}
DEFAULT_TESTSETS = ("seed-mini", "librispeech-mini", "emergent-en", "emergent-zh", "hard-en")

EXAMPLES = """examples:
  ttsbench run                                            the in-repo systems on the embedded test sets, then a page
  ttsbench run --system flite --testset seed-mini         one outside program
  ttsbench score DIR --testset folder=REFERENCES          audio that somebody else made
  ttsbench report runs/*                                  the page again, from runs that exist
  ttsbench list systems                                   (or testsets, metrics, protocols)
"""


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit status: 0 done, 1 something asked for did not hold, 2 wrong use."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser(words[0] if words else "")
    options = parser.parse_args(words)
    if not hasattr(options, "call"):
        parser.print_help()
        return 2
    try:
        return options.call(options)
    except KeyboardInterrupt:
        print("\nInterrupted. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except UserError as fault:
        print(f"ttsbench: {fault}", file=sys.stderr)
        return 1


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser; of the rooms' commands only the one that is called brings its arguments."""
    parser = argparse.ArgumentParser(
        prog="ttsbench",
        description="How good, how fast and how costly is a text-to-speech system.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ttsbench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    run = commands.add_parser("run", help="speak test sets with systems, score, and write the page")
    run.add_argument(
        "--system", action="append", metavar="SPEC", help="name, CARD.toml, http:URL, python:FILE.py:CLASS"
    )
    _common(run)
    run.set_defaults(call=_run)

    score = commands.add_parser("score", help="score recordings that exist, or run folders again")
    score.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="a folder of <id>.wav|flac|..., or a run folder"
    )
    _common(score)
    score.set_defaults(call=_score)

    report = commands.add_parser("report", help="write report.html and results.csv from run folders")
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    report.add_argument("--out", type=Path, help="folder for report.html and results.csv (default: beside the runs)")
    report.set_defaults(call=_report)

    merge = commands.add_parser("merge", help="put the pieces of runs made with --shard together")
    merge.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="all pieces of one run")
    merge.add_argument("--into", type=Path, required=True, metavar="DIR", help="the new run folder")
    merge.set_defaults(call=_merge)

    listing = commands.add_parser("list", help="list systems, testsets, metrics or protocols")
    listing.add_argument("what", choices=("systems", "testsets", "metrics", "protocols"))
    listing.add_argument("--explain", metavar="NAME", help="say in plain words what this one does")
    listing.add_argument("--json", action="store_true", help="one JSON document on standard output")
    listing.set_defaults(call=_list)
    for name, (module, about) in ROOM_COMMANDS.items():
        room = commands.add_parser(name, help=about, description=about)
        if name == command:
            found = importlib.import_module(module)
            found.add_arguments(room)
            room.set_defaults(call=found.run)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--testset", action="append", metavar="SPEC", help="a name, or LAYOUT=PATH (see list testsets)")
    parser.add_argument("--protocol", action="append", metavar="NAME", help="how to score (default: embedded)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)")
    parser.add_argument("--name", help="name in the tables, for a single system")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N samples of each test set")
    parser.add_argument("--seed", type=int, default=0, help="seed of the systems (default: 0)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="utterances spoken at once; above 1 spoils latency (default: 1)"
    )
    parser.add_argument("--score-jobs", type=int, default=0, help="scoring processes (default: one a core)")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds an utterance may take")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")
    parser.add_argument("--again", action="store_true", help="start over instead of resuming")
    parser.add_argument("--retry", action="store_true", help="speak failed rows once more")
    parser.add_argument("--shard", metavar="I/N", help="only every N-th sample from the I-th; put together by merge")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="spread over a Ray cluster (no address: one here)"
    )
    parser.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def _plan(options: argparse.Namespace) -> Any:
    from ttsbench.benchmark import Plan
    from ttsbench.execute.shards import parse

    return Plan(
        protocols=tuple(options.protocol or ("embedded",)),
        out=options.out,
        seed=options.seed,
        jobs=options.jobs,
        score_jobs=options.score_jobs,
        timeout=options.timeout,
        device=options.device,
        limit=options.limit,
        again=options.again,
        retry=options.retry,
        shard=parse(options.shard) if options.shard else None,
        ray=options.ray,
    )


def _run(options: argparse.Namespace) -> int:
    from ttsbench import systems

    own = [item for item in systems.listing() if item.kind == "in-repo"]
    for item in own:
        if item.missing and not options.system:
            print(f"{item.card.name}: left out, {item.missing}", file=sys.stderr)
    specs = options.system or [item.card.name for item in own if not item.missing]
    if not specs:
        print("ttsbench: no system can speak here; name one with --system", file=sys.stderr)
        return 1
    return _bench(options, specs, options.testset or list(DEFAULT_TESTSETS))


def _score(options: argparse.Namespace) -> int:
    again = [folder for folder in options.folders if (folder / "run.json").exists()]
    fresh = [folder for folder in options.folders if folder not in again]
    if again and fresh:
        print("ttsbench: give run folders or folders of recordings, not both", file=sys.stderr)
        return 2
    if again:
        from ttsbench.benchmark import score_run
        from ttsbench.store import Run

        plan, bar = _plan(options), Progress()
        for folder in again:
            score_run(Run.open(folder), plan, bar.named(folder.name))
        bar.close()
        return _finish(options, again, again[0].parent)
    if not options.testset:
        print("ttsbench: --testset says what the recordings should contain", file=sys.stderr)
        return 2
    return _bench(options, [f"recorded:{folder}" for folder in fresh], options.testset, _short_names(fresh))


def _short_names(folders: list[Path]) -> list[str]:
    """The folders' own names; with their parents' where two would be the same."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return [f"{folder.resolve().parent.name}-{folder.resolve().name}" for folder in folders]


def _bench(options: argparse.Namespace, specs: list[str], testsets: list[str], titles: list[str] | None = None) -> int:
    """Every system on every test set whose language it speaks, with the ground truth beside."""
    from ttsbench import testsets as room
    from ttsbench.benchmark import limited, run_one, speaks
    from ttsbench.execute.shards import piece
    from ttsbench.speaking import card_of
    from ttsbench.store import StoreError

    plan = _plan(options)
    sets = [limited(room.load(spec), plan.limit) for spec in testsets]
    if plan.shard:
        sets = [piece(testset, *plan.shard) for testset in sets]
    if options.name and len(specs) > 1:
        raise StoreError("--name needs a single system")
    bar = Progress()
    runs, problems = [], []
    cards = {spec: card_of(spec) for spec in specs}
    names = dict(zip(specs, [options.name] if options.name else titles or [], strict=False))
    for testset in sets:
        chosen = list(specs)
        if "ground-truth" not in chosen and _has_other_truth(testset, specs):
            chosen.insert(0, "ground-truth")
        for spec in chosen:
            if spec in cards and not speaks(cards[spec], testset):
                bar.say(f"{spec} on {testset.name}: skipped, it speaks {', '.join(cards[spec].languages)}")
                continue
            try:
                run = run_one(spec, testset, plan, bar.named(f"{spec} on {testset.name}"), names.get(spec, ""))
                runs.append(run.path)
            except StoreError as fault:
                problems.append(str(fault))
                bar.say(f"ttsbench: {fault}")
    bar.close()
    if not runs:
        return 1
    return max(_finish(options, runs, plan.out), 1 if problems else 0)


def _has_other_truth(testset: Any, specs: list[str]) -> bool:
    """Whether there are ground-truth recordings that are not the very files to be scored."""
    folders = [Path(spec.partition(":")[2]).resolve() for spec in specs if spec.startswith("recorded:")]
    truths = [sample.truth.resolve() for sample in testset.samples if sample.truth]
    return any(not any(folder in truth.parents for folder in folders) for truth in truths)


def _finish(options: argparse.Namespace, runs: list[Path], out: Path) -> int:
    """Write the page and the table, print the table and the closing sentence."""
    from ttsbench import reports

    reports.write_report(runs, out)
    results = reports.results(runs)
    if options.json:
        print(json.dumps(results, ensure_ascii=False, allow_nan=False))
    else:
        reports.print_table(runs)
    failed = reports.failures(runs)
    page = out / "report.html"
    count = len({cell["system"] + cell["testset"] for cell in results})
    sentence = f"{count} run{'s' if count != 1 else ''} scored; open {page}"
    if failed:
        sentence += f". {sum(failed.values())} rows have no usable output, counted as the worst case"
    print(sentence + ".", file=sys.stderr)
    return 1 if failed else 0


def _report(options: argparse.Namespace) -> int:
    first = options.runs[0]
    out = options.out or (first.parent if (first / "run.json").exists() or first.is_file() else first)
    options.json = False
    return _finish(options, options.runs, out)


def _merge(options: argparse.Namespace) -> int:
    from ttsbench.benchmark import Plan, score_run
    from ttsbench.execute.shards import merge

    run = merge(options.runs, options.into)
    bar = Progress()
    protocols = tuple(dict.fromkeys(name for path in options.runs for name in _scored(path)))
    score_run(run, Plan(protocols=protocols or ("embedded",)), bar.named(options.into.name))
    bar.close()
    options.json = False
    return _finish(options, [run.path], run.path.parent)


def _scored(path: Path) -> list[str]:
    from ttsbench.store import Run

    return Run.open(path).protocols()


def _list(options: argparse.Namespace) -> int:
    from ttsbench.commands import listing

    text = listing.explain(options.what, options.explain) if options.explain else ""
    rows = [] if text else listing.rows(options.what)
    if options.json:
        print(json.dumps(text or rows, ensure_ascii=False, default=str, indent=1))
    else:
        print(text or listing.table(rows))
    return 0


class Progress:
    """One progress bar on standard error; a line for whatever begins where that is no terminal, but a file or a CI."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._key: tuple[str, str, int] | None = None

    def named(self, title: str) -> Callable[[int, int, str], None]:
        """A callback (done, total, what) that drives this bar."""

        def note(done: int, total: int, what: str) -> None:
            key, before = (title, what, total), self._key
            if not sys.stderr.isatty():
                self._key = key
                if key != before and done < total:
                    print(f"{title}: {what}, {done} of {total} done", file=sys.stderr, flush=True)
                return
            from tqdm import tqdm

            if key != before:
                self.close()
                self._key = key
                self._bar = tqdm(total=total, desc=f"{title}: {what}", leave=False, dynamic_ncols=True)
            self._bar.n = done
            self._bar.refresh()

        return note

    def say(self, text: str) -> None:
        """A line for the reader, above the bar."""
        self.close()
        print(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._key = None, None
