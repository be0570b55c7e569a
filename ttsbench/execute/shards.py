"""Runs in pieces: `--shard i/n` speaks every n-th sample, `ttsbench merge` puts the pieces together.

For people with ssh or a batch queue and no cluster. A piece is an ordinary run folder whose run.json says which
piece it is; merging copies audio, rows and features, and the merged folder is scored again from its features.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench.records import Sample, TestSet
from ttsbench.store import Run, StoreError, append


def parse(text: str) -> tuple[int, int]:
    """'2/4' as (2, 4). Raises StoreError for anything that is not 1 <= i <= n."""
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError as fault:
        raise StoreError(f"--shard {text!r}: give it as i/n, for example 2/4") from fault
    if not 1 <= index <= count:
        raise StoreError(f"--shard {text!r}: i must lie between 1 and n")
    return index, count


def piece(testset: TestSet, index: int, count: int) -> TestSet:
    """Every `count`-th sample, starting with number `index` (from 1)."""
    name = f"{testset.name}.{index}of{count}"
    return replace(testset, name=name, samples=testset.samples[index - 1 :: count])


def merge(folders: Sequence[Path], out: Path) -> Run:
    """Put the pieces of one run together in `out`. Raises StoreError where they do not belong together.

    Timings of pieces come from different machines or moments: they are left out, and run.json lists the machines.
    """
    pieces = sorted((Run.open(folder) for folder in folders), key=lambda run: run.info["shard"] or [0, 0])
    _check(pieces)
    count = len(pieces)
    samples: list[Sample] = [None] * sum(len(run.samples) for run in pieces)  # type: ignore[list-item]
    for at, run in enumerate(pieces):
        samples[at::count] = run.samples
    if (out / "run.json").exists():
        raise StoreError(f"{out} holds a run already: give another --out or delete it")
    out.mkdir(parents=True, exist_ok=True)
    for run in pieces:
        _copy(run, out)
    first = pieces[0].info
    name = first["testset"]["name"].rsplit(".", 1)[0]
    info = {
        **first,
        "testset": {**first["testset"], "name": name, "samples": len(samples)},
        "shard": None,
        "spread": [run.info["machine"] for run in pieces],
    }
    return Run.create(out, info, samples)


def _check(pieces: list[Run]) -> None:
    if not pieces:
        raise StoreError("nothing to merge")
    first = pieces[0]
    marks = [tuple(run.info.get("shard") or ()) for run in pieces]
    wanted = [(index, len(pieces)) for index in range(1, len(pieces) + 1)]
    if marks != wanted:
        raise StoreError(f"the pieces are {marks}; a whole run of {len(pieces)} would be {wanted}")
    for run in pieces[1:]:
        for key, value in first.info["asked"].items():
            if run.info["asked"].get(key) != value:
                raise StoreError(f"{run.path}: {key} is {run.info['asked'].get(key)!r}, {first.path} has {value!r}")


def _copy(run: Run, out: Path) -> None:
    for room in ("audio", "resynthesis", "prompts"):
        if (run.path / room).is_dir():
            shutil.copytree(run.path / room, out / room, dirs_exist_ok=True)
    rows = run.syntheses
    for sample in run.samples:
        if sample.id in rows:
            append(out / "synth.jsonl", replace(rows[sample.id], chunks=(), total=None, audible=None))
    for source in (run.path / "features").glob("*.jsonl"):
        target = out / "features" / source.name
        known = target.read_bytes() if target.exists() else b""
        whole = source.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(known + whole)
