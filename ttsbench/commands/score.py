"""score recordings that exist, or run folders again"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ttsbench import arguments, exchange
from ttsbench import testsets as testsets_room
from ttsbench.errors import UserError
from ttsbench.store import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench score`. Those of folders of recordings have no default: with run folders none is used."""
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a folder of <id>.wav|flac|..., a manifest or wav.scp that names them, a run folder, or a list of results "
        "of the Open TTS Leaderboard (transcripts and times, no audio needed)",
    )
    parser.add_argument("--protocol", action="append", metavar="NAME", help="how to score (default: embedded)")
    parser.add_argument(
        "--metrics",
        type=arguments.words,
        default=(),
        metavar="LIST",
        help="only these, such as wer,sim-o (all)",
    )
    parser.add_argument(
        "--transcripts",
        type=Path,
        metavar="FILE",
        help="ids and texts that your own recogniser heard",
    )
    parser.add_argument("--score-jobs", type=arguments.count(), default=0, help="scoring processes (one a core)")
    parser.add_argument(
        "--timeout", type=arguments.number(0), default=300.0, metavar="S", help="seconds a batch may take (300)"
    )
    parser.add_argument(
        "--device",
        type=arguments.devices,
        default="cpu",
        help="cpu, cuda, mps, or several: cuda:0,cuda:1 (default: cpu)",
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
    fresh = parser.add_argument_group("folders of recordings only")
    fresh.add_argument("--testset", action="append", metavar="SPEC", help="what the recordings should say")
    fresh.add_argument(
        "--map", action="append", type=arguments.column, metavar="FIELD=COLUMN", help="a column of your manifest"
    )
    fresh.add_argument("--out", type=Path, help="folder of the run folders (default: runs)")
    fresh.add_argument("--name", help="name in the tables, for a single folder")
    fresh.add_argument("--limit", type=arguments.count(), metavar="N", help="only N samples of each test set")
    fresh.add_argument("--again", action="store_true", help="start over instead of resuming")
    fresh.add_argument("--shard", type=arguments.shard, metavar="I/N", help="only every N-th sample from the I-th")


def run(options: argparse.Namespace) -> int:
    """Score, report. 1 where more rows failed than --fail-on-error allows."""
    if options.transcripts and not options.transcripts.is_file():
        raise UserError(f"--transcripts {options.transcripts}: no such file; give a list of ids and texts")
    if any(exchange.reader_of(folder) for folder in options.folders):
        return _results(options)
    again = [folder for folder in options.folders if (folder / "run.json").exists()]
    fresh = [folder for folder in options.folders if folder not in again]
    if again and fresh:
        raise UserError(f"{again[0]} is a run folder and {fresh[0]} is none: score them in two commands")
    return _again(options, again) if again else _fresh(options, fresh)


def _results(options: argparse.Namespace) -> int:
    """Lists of results of another evaluator, which hold transcripts: scored anew without audio."""
    from ttsbench import campaign
    from ttsbench.benchmark import score_run
    from ttsbench.progress import Progress

    unused = [f"--{name}" for name in ("map", "limit", "again", "shard", "transcripts") if getattr(options, name)]
    if unused:
        raise UserError(f"{', '.join(unused)}: not with lists of results, which hold transcripts; leave it out")
    if options.testset and len(options.testset) > 1:
        raise UserError("--testset: one for lists of results, that of all of them")
    given, out = options.testset, options.out or Path("runs")
    testset = testsets_room.load(given[0]) if given else None
    progress, folders = Progress(), []
    for file in options.folders:
        reader = exchange.reader_of(file)
        if reader is None:
            raise UserError(f"{file}: no list of results as the others; score it in a command of its own")
        run = reader.read(file, out, testset, options.name or "")
        if broken := [row.error for row in run.syntheses.values() if row.error]:
            progress.say(f"{file}: {len(broken)} of {len(run.samples)} rows cannot be used: {'; '.join(broken[:5])}")
        options.protocol = options.protocol or [reader.PROTOCOL]
        plan = replace(campaign.plan_of(options), transcripts=reader.transcripts(run))
        score_run(run, plan, progress.named(run.path.name))
        progress.say(f"{run.path.name}: {campaign.headline(run)}")
        folders.append(run.path)
    progress.close()
    return campaign.finish(campaign.Campaign(folders), out, options.json, options.fail_on_error)


def _again(options: argparse.Namespace, folders: list[Path]) -> int:
    """Run folders under other protocols, or the same once more."""
    unused = [
        f"--{name}" for name in ("testset", "map", "out", "name", "limit", "again", "shard") if getattr(options, name)
    ]
    if unused:
        raise UserError(f"{', '.join(unused)}: not with run folders, which know what they hold; leave it out")
    from ttsbench import campaign
    from ttsbench.benchmark import Plan, score_run
    from ttsbench.progress import Progress
    from ttsbench.store import Run

    plan = Plan(
        protocols=tuple(options.protocol or ("embedded",)),
        metrics=options.metrics,
        transcripts=options.transcripts,
        score_jobs=options.score_jobs,
        timeout=options.timeout,
        device=options.device,
        ray=options.ray,
        machine_price=options.machine_price,
    )
    progress = Progress()
    for folder in folders:
        run = Run.open(folder)
        score_run(run, plan, progress.named(folder.name))
        progress.say(f"{folder.name}: {campaign.headline(run)}")
    progress.close()
    return campaign.finish(campaign.Campaign(folders), folders[0].parent, options.json, options.fail_on_error)


def _fresh(options: argparse.Namespace, folders: list[Path]) -> int:
    """Folders of recordings against a test set."""
    if options.name and len(folders) > 1:
        raise UserError(f"--name {options.name} needs a single folder, not {len(folders)}")
    from ttsbench import campaign

    options.out, options.limit = options.out or Path("runs"), options.limit or 0
    lists = [folder for folder in folders if is_list(folder)]
    specs = options.testset or [f"manifest={str(lists[0]).removeprefix('manifest=')}" for _ in lists[:1]]
    if not specs or (not options.testset and (len(folders) > 1 or lists[0].name.endswith(".scp"))):
        raise UserError("--testset is missing: it says what the recordings should contain, such as folder=REFERENCES")
    testsets = [testsets_room.mapped(spec, dict(options.map or ())) for spec in specs]
    if options.map and not lists and testsets == specs:
        raise UserError("--map: neither a test set nor what is scored is a manifest; give manifest=FILE")
    titles = [options.name] if options.name else short_names([plain(folder) for folder in folders])
    names = {}
    for folder, title in zip(folders, titles, strict=True):
        place = listed(folder, dict(options.map or ()), options.out, title) if folder in lists else folder
        names[f"recorded:{place}"] = title
    done = campaign.bench(campaign.plan_of(options), list(names), testsets, names)
    return campaign.finish(done, options.out, options.json, options.fail_on_error)


def is_list(folder: Path) -> bool:
    """Whether a manifest or `wav.scp` is given, not a folder."""
    return str(folder).startswith("manifest=") or folder.is_file()


def plain(folder: Path) -> Path:
    """The path without `manifest=`, options and ending."""
    place = Path(testsets_room.split(str(folder).removeprefix("manifest="))[0])
    return place.with_suffix("") if is_list(folder) else folder


def listed(manifest: Path, columns: Mapping[str, str], out: Path, title: str) -> Path:
    """The list of ids and files that a manifest makes, kept with the runs."""
    from ttsbench.benchmark import safe

    spec = f"manifest={str(manifest).removeprefix('manifest=')}"
    found = testsets_room.outputs(testsets_room.mapped(spec, columns))
    path = out / ".outputs" / f"{safe(title)}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{name}\t{file.resolve()}\n" for name, file in found.items())
    write_atomically(path, "".join(lines).encode())
    return path


def short_names(folders: list[Path]) -> list[str]:
    """The folders' own names; with their parents' where two would be the same."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return [f"{folder.resolve().parent.name}-{folder.resolve().name}" for folder in folders]
