"""The Open TTS Leaderboard's lists of results (JSON Lines) as run folders. No audio is needed: what it gave is there.

A row: audio_filepath, text, pred_text, duration and time in seconds; of a cloned voice prompt_audio_filepath, sim.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsbench.benchmark import safe
from ttsbench.errors import UserError
from ttsbench.files import LOCK, StoreError, empty, locked
from ttsbench.metrics.text.open_tts import CHARACTERS, CJK, WORDS
from ttsbench.names import id_problem
from ttsbench.records import Card, Sample, Synthesis, TestSet
from ttsbench.store import Run, write_lines
from ttsbench.testsets.check import digest

NEEDED = ("audio_filepath", "text", "pred_text")
CLONED, SIM_FORKS = "_voice_clone", ("_wavlm_seed_tts",)  # ends of their files' names
LANGUAGES = ("en", *WORDS, *CHARACTERS)
SPEC = "list:"  # what begins the spec of a run that was read from a list
GIVEN = "given.jsonl"  # in the run folder: transcripts and values of the list


@dataclass(frozen=True)
class Named:
    """What a file's name says: `MODEL_<model>_DATASET_<dataset>[_voice_clone].jsonl`."""

    model: str
    dataset: str
    language: str
    cloned: bool


def named(file: Path) -> Named:
    """Model, data set and language ("" where none is named) from a file's name."""
    stem = file.stem
    for fork in SIM_FORKS:
        stem = stem.removesuffix(fork)
    cloned = stem.endswith(CLONED)
    stem = stem.removesuffix(CLONED)
    model, found, dataset = stem.removeprefix("MODEL_").partition("_DATASET_")
    codes = [part for part in re.split("[_-]", dataset if found else stem) if part in LANGUAGES]
    return Named(model if found else stem, dataset if found else "", codes[-1] if codes else "", cloned)


def recognises(file: Path) -> bool:
    """Whether the first line is a row of such a list."""
    if file.suffix != ".jsonl":
        return False
    with file.open("rb") as lines:
        first = lines.readline()
    try:
        row = json.loads(first)
    except ValueError:
        return False
    return isinstance(row, dict) and all(name in row for name in NEEDED)


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The rows, checked. Raises UserError with file, line and value."""
    rows = []
    for number, line in enumerate(file.read_text("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as fault:
            raise UserError(f"{where}: not JSON ({fault}); write one object a line") from fault
        lacks = [name for name in NEEDED if not isinstance(row, dict) or not isinstance(row.get(name), str)]
        if lacks:
            raise UserError(f"{where}: {', '.join(lacks)} must be there, as text; write such rows or correct them")
        for name in ("duration", "time", "sim"):
            if _number(row.get(name)) is None and row.get(name) not in (None, ""):
                raise UserError(f"{where}: {name} is {row[name]!r}; write a number or null")
        rows.append(row)
    return rows


def language_of(file: Path, texts: Sequence[str]) -> str:
    """The language of a list: of its name, else English; Chinese where half of the texts hold a CJK character."""
    language = named(file).language or "en"
    filled = [text for text in texts if text.strip()]
    if language not in CHARACTERS and filled and sum(bool(CJK.search(t)) for t in filled) / len(filled) >= 0.5:
        return "zh"
    return language


def read(file: Path, out: Path, testset: TestSet | None, name: str) -> Run:
    """The list as a run folder below `out`. With `testset`, its samples; those that the list lacks are missing rows.

    `name`: the system's name in the tables. Raises UserError for a broken list, and for ids that are not the set's.
    """
    rows, told = rows_of(file), named(file)
    ids = _ids(rows)
    if testset is None:
        language = language_of(file, [row["text"] for row in rows])
        samples = tuple(_sample(file, row, each, language) for row, each in zip(rows, ids, strict=True))
        title = told.dataset or file.stem
        testset = TestSet(title, samples, "unknown", str(file), "rows of a list of results", digest(samples))
    known = {sample.id for sample in testset.samples}
    if strange := [each for each in ids if each not in known]:
        raise UserError(f"{file}: {strange[0]!r} and {len(strange) - 1} more rows are not in test set {testset.name}")
    by_id = dict(zip(ids, rows, strict=True))
    path = out / f"{safe(name or told.model)}@{safe(testset.name)}"
    with locked(path):
        _free(path)
        run = Run.create(path, _info(file, testset, name or told.model, rows), testset.samples)
        write_lines(path / "synth.jsonl", [_synthesis(file, path, by_id.get(s.id), s) for s in testset.samples])
        write_lines(path / GIVEN, [_given(each, row) for each, row in by_id.items()])
    return run


def _free(path: Path) -> None:
    """Empty a locked folder that holds nothing, or an earlier reading of a list. Raises StoreError for any other."""
    held = [each.name for each in path.iterdir() if each.name != LOCK]
    listed = "run.json" in held and str(Run.open(path).info["system"].get("spec", "")).startswith(SPEC)
    if held and not listed:
        raise StoreError(f"{path} holds something else than a list of results: give another --out or --name")
    empty(path)


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the audio files without `output_`; where those are no ids, the rows' numbers."""
    ids = [Path(row["audio_filepath"]).stem.removeprefix("output_") for row in rows]
    if len(set(ids)) < len(ids) or any(map(id_problem, ids)):
        return [f"row-{number:04d}" for number in range(1, len(rows) + 1)]
    return ids


def _sample(file: Path, row: dict[str, Any], name: str, language: str) -> Sample:
    prompt = str(row.get("prompt_audio_filepath") or "")
    where = (file.parent / prompt).resolve() if prompt else None
    return Sample(name, row["text"], str(row.get("language") or language), prompt=where)


def _synthesis(file: Path, run: Path, row: dict[str, Any] | None, sample: Sample) -> Synthesis:
    if row is None:
        return Synthesis(sample.id, error="no output: the list has no row for it")
    audio = os.path.relpath((file.parent / row["audio_filepath"]).resolve(), run.resolve())
    return Synthesis(sample.id, audio, seconds=_number(row.get("duration")) or 0.0, total=_number(row.get("time")))


def _given(name: str, row: dict[str, Any]) -> dict[str, Any]:
    sim = _number(row.get("sim"))
    return {"id": name, "text": row["pred_text"]} | ({} if sim is None else {"sim-o": sim})


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _info(file: Path, testset: TestSet, name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    languages = tuple(sorted({sample.language for sample in testset.samples}))
    facts = {key: getattr(testset, key) for key in ("name", "digest", "licence", "source", "about")}
    untimed = "" if any(_number(row.get("time")) for row in rows) else "the list has no times"
    return {
        "system": {"name": name, "spec": f"{SPEC}{file}", "card": asdict(Card(name, languages=languages))},
        "testset": {**facts, "samples": len(testset.samples)},
        "criteria": {},
        "spread": None,
        "untimed": untimed,
        "identity": {"list": digest(testset.samples)},
        "seed": 0,
        "command": sys.argv,
    }
