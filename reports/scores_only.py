"""A run without its audio: what is left when a run is kept on a leaderboard, or committed as a base to compare with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench.records import Score
from ttsbench.reports.tables import TRUTH, ReportError, find, is_truth
from ttsbench.store import Run, write_atomically, write_lines

KEPT = ("others", "checks", "unsure")  # of a score's detail on a leaderboard: what a row was marked for, no transcript
HEARD = "second"  # of the transcript of a second recogniser: that there was one


def strip(run: Run, target: Path, base: bool = False) -> None:
    """Copy the scores of `run` into folder `target`: no audio, no features, no paths of the machine it ran on.

    A leaderboard's entry keeps the timings and drops the transcripts. A `base` keeps the transcripts, which the
    comparison shows, and drops timings and machine: timings belong to one machine and to what else it did.
    """
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    write_lines(part / "samples.jsonl", [replace(sample, prompt=None, truth=None) for sample in run.samples])
    rows = [replace(row, audio="", resynthesis="") for row in run.syntheses.values()]
    if base:
        rows = [replace(row, chunks=(), total=None, audible=None) for row in rows]
    write_lines(part / "synth.jsonl", rows)
    for name in run.protocols():
        cards = [card for card in run.metrics(name) if not base or card.family != "speed"]
        scores = {card.name: run.scores(name, card.name) for card in cards}
        if not base:
            scores = {metric: _plain(rows) for metric, rows in scores.items()}
        Run(part, {}).write_scores(run.protocol(name), scores, cards)
    spec = TRUTH if is_truth(run) else (run.info.get("system") or {}).get("spec")
    info = {**run.info, "system": {**(run.info.get("system") or {}), "spec": spec}}
    for private in ("command", *(("machine",) if base else ())):
        info.pop(private, None)
    text = json.dumps(info, ensure_ascii=False, indent=1, default=str)
    write_atomically(part / "run.json", text.encode() + b"\n")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def _plain(rows: Sequence[Score]) -> list[Score]:
    return [
        replace(row, detail={key: row.detail[key] for key in KEPT if key in row.detail} | _asked(row)) for row in rows
    ]


def _asked(row: Score) -> dict[str, str]:
    return {HEARD: ""} if HEARD in row.detail else {}


def accept(new: Path, base: Path) -> list[Path]:
    """Make `new`, a run folder or a folder of runs, the base to compare with. Returns the folders written.

    Only scores kept earlier are replaced: ReportError where a target is a whole run, or no run at all.
    """
    runs = find([new])
    alone = (new / "run.json").exists()
    targets = [base if alone else base / run.path.name for run in runs]
    for target in targets:
        if target.exists() and (not (target / "run.json").exists() or (target / "audio").exists()):
            raise ReportError(f"{target} holds more than kept scores: give --accept a new BASE, or delete it")
    for run, target in zip(runs, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        strip(run, target, base=True)
    return targets
