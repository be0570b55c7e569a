"""Runs in pieces: `--shard i/n` speaks every n-th sample, `ttsbench merge` puts the pieces together.

For people with ssh or a batch queue and no cluster. A piece is an ordinary run folder whose run.json says which
piece it is; merging copies audio, rows and features, and the merged folder is scored again from its features.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench.files import StoreError, empty, locked
from ttsbench.identity import differences
from ttsbench.records import Sample, TestSet
from ttsbench.store import Run, write_atomically, write_lines


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
    if out.exists() and any(out.iterdir()):
        raise StoreError(f"{out} is not empty: give another --into or delete it")
    part = out.with_name(f".{out.name}.part")  # a merge cut short leaves no half of a run behind
    with locked(part):
        empty(part)
        for run in pieces:
            _copy(run, part)
        rows = [row for run in pieces for row in run.syntheses.values()]
        write_lines(part / "synth.jsonl", [replace(row, chunks=(), total=None, audible=None) for row in rows])
        first = pieces[0].info
        info = {
            **first,
            "testset": {
                **first["testset"],
                "name": first["testset"]["name"].rsplit(".", 1)[0],
                "samples": len(samples),
            },
            "shard": None,
            "spread": [run.info["machine"] for run in pieces],
        }
        Run.create(part, info, samples)
        part.replace(out)
    return Run.open(out)


def _check(pieces: list[Run]) -> None:
    if not pieces:
        raise StoreError("nothing to merge")
    first = pieces[0]
    marks = [tuple(run.info.get("shard") or ()) for run in pieces]
    wanted = [(index, len(pieces)) for index in range(1, len(pieces) + 1)]
    if marks != wanted:
        raise StoreError(f"the pieces are {marks}; a whole run of {len(pieces)} would be {wanted}")
    for run in pieces[1:]:
        changed = differences(first.info["identity"], run.info["identity"])
        if changed:
            raise StoreError(f"{run.path} is no piece of the same run as {first.path}: {'; '.join(changed)}")


def _copy(run: Run, out: Path) -> None:
    """Audio and features of a piece; a torn last line of its features is left out."""
    for folder in ("audio", "resynthesis", "prompts"):
        if (run.path / folder).is_dir():
            shutil.copytree(run.path / folder, out / folder, dirs_exist_ok=True)
    for source in (run.path / "features").glob("*.jsonl"):
        target = out / "features" / source.name
        known = target.read_bytes() if target.exists() else b""
        whole = source.read_bytes()
        write_atomically(target, known + whole[: whole.rfind(b"\n") + 1])
