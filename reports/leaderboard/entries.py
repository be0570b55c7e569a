"""A leaderboard's folder: runs without their audio, three example clips each. It grows; old runs are not needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttsbench.errors import unknown
from ttsbench.reports import breakdown, reported, scores_only, words
from ttsbench.reports.clips import Clips, encode
from ttsbench.reports.tables import Entry, ReportError, Table, card_of, find, tables
from ttsbench.store import file_name, write_atomically

REPORTED = "reported"  # the board's folder of published results


def add(paths: Sequence[Path | str], board: Path) -> list[Path]:
    """Put runs on the board; a run of the same name on the same test set is replaced. Returns the new entries."""
    added: list[Path] = []
    clips = Clips(board)
    for table in tables(find(paths)):
        for entry in table.entries:
            target = board / "entries" / f"{entry.run.path.name}-{table.testset['digest'][:8].replace(':', '-')}"
            if target not in added:
                scores_only.strip(entry.run, target)
                added.append(target)
            _examples(table, entry, target, clips)
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


def add_reported(paths: Sequence[Path], board: Path) -> None:
    """Keep CSV files of published results on the board; one of the same name is replaced. Raises ReportError."""
    for path in paths:
        reported.read(path)
    for path in paths:
        write_atomically(board / REPORTED / f"{path.stem}.csv", path.read_bytes())


def relabel(labels: Mapping[str, str], board: Path) -> None:
    """Call systems of the board, by name or run folder, otherwise. Raises ReportError for one that is not there."""
    runs = find([board / "entries"])
    known: set[str] = set()
    for run in runs:
        names = (card_of(run)["name"], run.path.name, run.path.name.rpartition("-")[0])
        known.update(names[:2])
        if label := next((labels[name] for name in names if name in labels), ""):
            known.add(names[2])
            run.info["system"] = {**(run.info.get("system") or {}), "name": label}
            run.save_info()
    if missing := [name for name in labels if name not in known]:
        raise ReportError(unknown("system on the board to label", missing[0], sorted(known)))


def _examples(table: Table, entry: Entry, target: Path, clips: Clips) -> None:
    """Keep the best, the median and the worst utterance, with their clips, for one protocol."""
    order = breakdown.worst(table, entry, len(table.samples))
    syntheses = entry.syntheses
    spoken = [row for row in order if (spoke := syntheses.get(row[0].id)) and spoke.audio and not spoke.error]
    if not spoken or entry.truth:
        return
    chosen = {"best": spoken[-1], "median": spoken[len(spoken) // 2], "worst": spoken[0]}
    rows: list[dict[str, Any]] = []
    wanted: list[tuple[str, Path | None]] = []
    for kind, (sample, score, metric) in chosen.items():
        sources = {"output": entry.run.audio(syntheses[sample.id]), "truth": sample.truth, "prompt": sample.prompt}
        wanted += [(f"clips/{what}-{file_name(sample.id)}.mp3", path) for what, path in sources.items()]
        rows.append({
            "kind": kind, "sample": sample.id, "text": sample.text, "value": score.value, "metric": metric.name,
            "pair": words.pair(score), "clips": {what: wanted[at - 3][0] for at, what in enumerate(sources)},
        })  # fmt: skip
    made = dict(
        zip((name for name, _ in wanted), clips.made(encode, [path for _, path in wanted], ".mp3"), strict=True)
    )
    for name, data in made.items():
        if data:
            write_atomically(target / name, data)
    for row in rows:
        row["clips"] = {what: name for what, name in row["clips"].items() if made[name]}
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    write_atomically(target / f"examples-{table.protocol['name']}.json", text.encode())


def examples(entry: Entry, protocol: str) -> list[dict[str, Any]]:
    """What `add` kept: kind, sample, text, value, metric, pair and clips (what -> absolute path)."""
    path = entry.run.path / f"examples-{protocol}.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_bytes())
    return [{**row, "clips": {what: entry.run.path / name for what, name in row["clips"].items()}} for row in rows]


def kept(board: Path) -> list[Table]:
    """As `load`; [] where there is no board yet."""
    return load(board) if (board / "entries").is_dir() else []


def load(board: Path) -> list[Table]:
    """The tables of everything on the board."""
    return tables(find([board / "entries"]))
