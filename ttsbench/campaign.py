"""Several systems on several test sets: speak, score, and write the page. What `run`, `score` and `merge` share."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ttsbench import reports
from ttsbench import testsets as room
from ttsbench.benchmark import Plan, limited, run_one, speaks
from ttsbench.errors import UserError
from ttsbench.execute.shards import piece
from ttsbench.progress import Progress
from ttsbench.records import TestSet
from ttsbench.speaking import card_of


def plan_of(options: argparse.Namespace) -> Plan:
    """The options that say how to speak and score."""
    names = [name for name in Plan.__dataclass_fields__ if name != "protocols" and hasattr(options, name)]
    protocols = tuple(options.protocol or ("embedded",))
    return Plan(protocols=protocols, **{name: getattr(options, name) for name in names})


def bench(plan: Plan, specs: list[str], testsets: list[str], titles: list[str] | None = None) -> tuple[list[Path], int]:
    """Every system on every test set whose language it speaks, the ground truth beside. Run folders, and the status."""
    sets = [limited(room.load(spec), plan.limit) for spec in testsets]
    if plan.shard:
        sets = [piece(testset, *plan.shard) for testset in sets]
    bar = Progress()
    runs, problems = [], []
    cards = {spec: card_of(spec) for spec in specs}
    names = dict(zip(specs, titles or [], strict=False))
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
            except UserError as fault:
                problems.append(str(fault))
                bar.say(f"ttsbench: {fault}")
    bar.close()
    return runs, 1 if problems or not runs else 0


def _has_other_truth(testset: TestSet, specs: list[str]) -> bool:
    """Whether there are ground-truth recordings that are not the very files to be scored."""
    folders = [Path(spec.partition(":")[2]).resolve() for spec in specs if spec.startswith("recorded:")]
    truths = [sample.truth.resolve() for sample in testset.samples if sample.truth]
    return any(not any(folder in truth.parents for folder in folders) for truth in truths)


def finish(runs: list[Path], out: Path, as_json: bool = False) -> int:
    """Write the page and the table, print the table and the closing sentence. 1 where rows failed."""
    if not runs:
        return 1
    tables = reports.load(runs)
    results = reports.results(tables)
    if as_json:
        print(json.dumps(results, ensure_ascii=False, allow_nan=False))
    else:
        reports.print_tables(tables)
    failed = reports.failures(tables)
    page = reports.write_report(tables, out)
    count = len({cell["system"] + cell["testset"] for cell in results})
    sentence = f"{count} run{'s' if count != 1 else ''} scored; open {page}"
    if failed:
        sentence += f". {sum(failed.values())} rows have no usable output, counted as the worst case"
    print(sentence + ".", file=sys.stderr)
    return 1 if failed else 0
