"""A leaderboard's folder: runs without their audio, three example clips each. It grows; old runs are not needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench import audio
from ttsbench.records import Sample
from ttsbench.reports import breakdown, clips, scores_only, words
from ttsbench.reports.tables import Entry, ReportError, Table, find, tables
from ttsbench.store import file_name, write_atomically


def add(paths: Sequence[Path | str], board: Path) -> list[Path]:
    """Put runs on the board; a run of the same name on the same test set is replaced. Returns the new entries."""
    added = []
    for table in tables(find(paths)):
        for entry in table.entries:
            target = board / "entries" / f"{entry.run.path.name}-{table.testset['digest'][:8].replace(':', '-')}"
            if target not in added:
                scores_only.strip(entry.run, target)
                added.append(target)
            _examples(table, entry, target)
    return added


def add_operations(path: Path, board: Path) -> None:
    """Put counted operations (GFLOP per 10 s of speech, by system) on the cards of the board's entries."""
    try:
        rows = json.loads(path.read_bytes())
        found = {str(row["system"]): float(str(row["GFLOP per 10 s"]).replace(",", "")) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ReportError(f"{path}: not the output of `ttsbench flops SYSTEM --run --json` ({fault})") from fault
    for run in find([board / "entries"]):
        system = run.info.get("system") or {}
        for name in (system.get("name"), system.get("spec")):
            if name in found:
                run.info["system"] = {**system, "card": {**(system.get("card") or {}), "gflop_per_10s": found[name]}}
                run.save_info()


def _examples(table: Table, entry: Entry, target: Path) -> None:
    """Keep the best, the median and the worst utterance, with their clips, for one protocol."""
    order = breakdown.worst(table, entry, len(table.samples))
    syntheses = entry.syntheses
    spoken = [row for row in order if row[0].id in syntheses and entry.run.audio(syntheses[row[0].id])]
    if not spoken or entry.truth:
        return
    chosen = {"best": spoken[-1], "median": spoken[len(spoken) // 2], "worst": spoken[0]}
    rows = []
    for kind, (sample, score, metric) in chosen.items():
        sources = {"output": entry.run.audio(syntheses[sample.id]), "truth": sample.truth, "prompt": sample.prompt}
        clips = {what: name for what, path in sources.items() if (name := _clip(path, sample, what, target))}
        rows.append({
            "kind": kind, "sample": sample.id, "text": sample.text, "value": score.value, "metric": metric.name,
            "pair": words.pair(score), "clips": clips,
        })  # fmt: skip
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    write_atomically(target / f"examples-{table.protocol['name']}.json", text.encode())


def _clip(path: Path | None, sample: Sample, what: str, target: Path) -> str:
    """Keep a file as Opus below `target`; its relative name, or '' where it cannot be read."""
    if path is None:
        return ""
    name = f"clips/{what}-{file_name(sample.id)}.mp3"
    try:
        write_atomically(target / name, clips.encode(path))
    except (audio.AudioError, OSError):
        return ""
    return name


def examples(entry: Entry, protocol: str) -> list[dict[str, Any]]:
    """What `add` kept: kind, sample, text, value, metric, pair and clips (what -> absolute path)."""
    path = entry.run.path / f"examples-{protocol}.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_bytes())
    return [{**row, "clips": {what: entry.run.path / name for what, name in row["clips"].items()}} for row in rows]


def load(board: Path) -> list[Table]:
    """The tables of everything on the board."""
    return tables(find([board / "entries"]))
