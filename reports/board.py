"""A leaderboard folder: runs without their audio, three example clips each. It grows; old runs are not needed again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ttsbench import audio, stats
from ttsbench.records import Cell, Metric, Sample
from ttsbench.reports import breakdown, kept, sound, words
from ttsbench.reports.tables import Entry, ReportError, Table, find, tables
from ttsbench.store import file_name, write_atomically


@dataclass(frozen=True)
class View:
    """One cut of a table ('all', a language, a category): cells and rank ranges by system and metric."""

    kind: str
    name: str
    count: int
    cells: dict[str, dict[str, Cell]]
    ranks: dict[str, dict[str, tuple[int, int] | None]]


def add(paths: Sequence[Path | str], board: Path) -> list[Path]:
    """Put runs on the board; a run of the same name on the same test set is replaced. Returns the new entries."""
    added = []
    for table in tables(find(paths)):
        for entry in table.entries:
            target = board / "entries" / f"{entry.run.path.name}-{table.testset['digest'][:8].replace(':', '-')}"
            if target not in added:
                kept.strip(entry.run, target)
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
    name = f"clips/{what}-{file_name(sample.id)}.opus"
    try:
        write_atomically(target / name, sound.opus(path))
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


# --- ranks and cuts -----------------------------------------------------------------------------------------------


def ranked(table: Table) -> list[Metric]:
    """The metrics that a leaderboard ranks: those with a better direction and a number somewhere."""
    return [metric for metric in table.measured if metric.better != "neither"]


def views(table: Table) -> list[View]:
    """The whole table, then its languages and categories where there are several."""
    found = [_view(table, "all", "all", {sample.id for sample in table.samples})]
    for kind in ("language", "category"):
        names = list(dict.fromkeys(getattr(sample, kind) for sample in table.samples))
        if len(names) > 1:
            for name in filter(None, names):
                ids = {sample.id for sample in table.samples if getattr(sample, kind) == name}
                found.append(_view(table, kind, name, ids))
    return found


def _view(table: Table, kind: str, name: str, ids: set[str]) -> View:
    metrics = table.columns
    cells: dict[str, dict[str, Cell]] = {entry.name: {} for entry in table.entries}
    ranks: dict[str, dict[str, tuple[int, int] | None]] = {entry.name: {} for entry in table.entries}
    for metric in metrics:
        rows = {e.name: [score for score in e.scores[metric.name] if score.sample in ids] for e in table.entries}
        for entry in table.entries:
            whole = kind == "all"
            kept = entry.cells[metric.name]
            cells[entry.name][metric.name] = kept if whole else stats.cell(metric, rows[entry.name], table.clusters)
        systems = [entry.name for entry in table.systems]
        places = stats.ranks(metric, [rows[system] for system in systems], table.clusters)
        for system, place in zip(systems, places, strict=True):
            ranks[system][metric.name] = place
    return View(kind, name, len(ids), cells, ranks)


def order(table: Table, view: View, by: Metric) -> list[Entry]:
    """Ground truth first, then systems by the headline value of `by`, those without one last."""
    sign = 1.0 if by.better == "lower" else -1.0

    def key(entry: Entry) -> tuple[bool, bool, float, str]:
        value = view.cells[entry.name][by.name].value
        return not entry.truth, entry.anchor, float("inf") if value is None else sign * value, entry.name

    return sorted(table.entries, key=key)


def dump(views: Sequence[View]) -> Any:
    """Views as plain data, for --json."""
    return msgspec.to_builtins(list(views))
