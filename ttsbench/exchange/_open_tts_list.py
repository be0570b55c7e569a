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
from itertools import islice
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
LOOKED_AT = 20  # lines at the head, of which one sound row makes a file such a list
LONGEST = 5000  # words of a text or transcript; aligning takes time and memory with their product
HALF = re.compile("[\ud800-\udfff]")  # half a character, or a byte that is no UTF-8
NUMBERS = (  # name, lowest, highest, what to write
    ("duration", 0.0, sys.float_info.max, "seconds from 0 on"),
    ("time", 0.0, sys.float_info.max, "seconds from 0 on"),
    ("sim", -1.0, 1.0, "a cosine from -1 to 1"),
)
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
    """Whether one of the first lines is a row of such a list."""
    if file.suffix != ".jsonl":
        return False
    with file.open("rb") as lines:
        return any(all(name in row for name in NEEDED) for row in map(_object, islice(lines, LOOKED_AT)))


@dataclass(frozen=True)
class Row:
    """One line of a list; `fault` says with file, line and value why it cannot be used, "" where it can."""

    line: int
    data: dict[str, Any]
    fault: str


def _object(line: bytes | str) -> dict[str, Any]:
    """The object that a line holds, an empty one where it holds none."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def rows_of(file: Path) -> list[Row]:
    """All rows, broken ones too: a broken row fails alone."""
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(file.read_text("utf-8-sig", errors="surrogateescape").split("\n"), 1):
        if not line.strip():
            continue
        data = _object(line)
        problem = "not a JSON object; write one object a line" if not data else _problem(data)
        audio = data.get("audio_filepath")
        if isinstance(audio, str) and audio:
            if first := seen.get(audio):
                problem = problem or f"{audio} stands on line {first} already; keep one of the two"
            seen.setdefault(audio, number)
        rows.append(Row(number, data, f"{file.name}, line {number}: {problem}" if problem else ""))
    return rows


def _problem(row: dict[str, Any]) -> str:
    """What is wrong with a row, and what to do; "" where nothing is."""
    if lacks := [name for name in NEEDED if not isinstance(row.get(name), str)]:
        return f"{', '.join(lacks)} must be there, as text; write such rows or correct them"
    for name in NEEDED:
        if HALF.search(row[name]):
            return f"{name} holds bytes that are no UTF-8, or half a character; write it as UTF-8"
        if len(row[name].split()) > LONGEST:
            return f"{name} has more than {LONGEST:,} words, too long to align; cut the row in several"
    for name in ("audio_filepath", "prompt_audio_filepath"):
        path = str(row.get(name) or "")
        if "\0" in path or any(len(part.encode("utf-8", "replace")) > 255 for part in path.split("/")):
            return f"{name} cannot name a file: {path[:60]!r}; correct it"
    for name, low, high, said in NUMBERS:
        value = row.get(name)
        if value in (None, ""):
            continue
        number = _number(value)
        if number is None or not low <= number <= high:  # NaN is in no range
            return f"{name} is {value!r}; write {said} or null"
    if "language" in row and row["language"] not in (None, "") and not _code(row["language"]):
        return f"language is {row['language']!r}; write one of {', '.join(sorted(LANGUAGES))}"
    return ""


def _code(language: object) -> str:
    """The language code that a row names, in any writing ('zh-CN', 'en_us'); "" where the protocol does not know it."""
    code = re.split("[-_]", str(language).lower())[0]
    return code if code in LANGUAGES else ""


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
        language = language_of(file, [_text(row) for row in rows])
        samples = tuple(_sample(file, row, each, language) for row, each in zip(rows, ids, strict=True))
        title = told.dataset or file.stem
        testset = TestSet(title, samples, "unknown", str(file), "rows of a list of results", digest(samples))
    known = {sample.id for sample in testset.samples}
    strange = [each for each, row in zip(ids, rows, strict=True) if each not in known and not row.fault]
    if strange:
        raise UserError(f"{file}: {strange[0]!r} and {len(strange) - 1} more rows are not in test set {testset.name}")
    by_id = dict(zip(ids, rows, strict=True))
    path = out / f"{safe(name or told.model)}@{safe(testset.name)}"
    with locked(path):
        _free(path)
        run = Run.create(path, _info(file, testset, name or told.model, rows), testset.samples)
        write_lines(path / "synth.jsonl", [_synthesis(file, path, by_id.get(s.id), s) for s in testset.samples])
        write_lines(path / GIVEN, [_given(each, row.data) for each, row in by_id.items() if not row.fault])
    return run


def _free(path: Path) -> None:
    """Empty a locked folder that holds nothing, or an earlier reading of a list. Raises StoreError for any other."""
    held = [each.name for each in path.iterdir() if each.name != LOCK]
    listed = "run.json" in held and str(Run.open(path).info["system"].get("spec", "")).startswith(SPEC)
    if held and not listed:
        raise StoreError(f"{path} holds something else than a list of results: give another --out or --name")
    empty(path)


def _ids(rows: Sequence[Row]) -> list[str]:
    """The names of the audio files without `output_`, of broken rows their lines; where sound rows have names that are
    no ids, or one name for two files, the rows' numbers."""
    names = [Path(str(row.data.get("audio_filepath"))).stem.removeprefix("output_") for row in rows]
    sound = [name for name, row in zip(names, rows, strict=True) if not row.fault]
    if len(set(sound)) < len(sound) or any(map(id_problem, sound)):
        return [f"row-{number:04d}" for number in range(1, len(rows) + 1)]
    taken, ids = set(sound), []
    for name, row in zip(names, rows, strict=True):
        if row.fault and (name in taken or id_problem(name) or not row.data.get("audio_filepath")):
            name = f"line-{row.line:04d}"
        taken.add(name)
        ids.append(name)
    return ids


def _text(row: Row) -> str:
    """The text to be spoken as far as a broken row has one."""
    text = row.data.get("text")
    text = text if isinstance(text, str) and len(text.split()) <= LONGEST else ""
    return HALF.sub("\ufffd", text)


def _sample(file: Path, row: Row, name: str, language: str) -> Sample:
    prompt = "" if row.fault else HALF.sub("\ufffd", str(row.data.get("prompt_audio_filepath") or ""))
    where = (file.parent / prompt).resolve() if prompt else None
    return Sample(name, _text(row), _code(row.data.get("language")) or language, prompt=where)


def _synthesis(file: Path, run: Path, row: Row | None, sample: Sample) -> Synthesis:
    if row is None:
        return Synthesis(sample.id, error="no output: the list has no row for it")
    if row.fault:
        return Synthesis(sample.id, error=HALF.sub("\ufffd", row.fault))
    data = row.data
    audio = os.path.relpath((file.parent / data["audio_filepath"]).resolve(), run.resolve())
    return Synthesis(sample.id, audio, seconds=_number(data.get("duration")) or 0.0, total=_number(data.get("time")))


def _given(name: str, row: dict[str, Any]) -> dict[str, Any]:
    sim = _number(row.get("sim"))
    return {"id": name, "text": row["pred_text"]} | ({} if sim is None else {"sim-o": sim})


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _info(file: Path, testset: TestSet, name: str, rows: Sequence[Row]) -> dict[str, Any]:
    languages = tuple(sorted({sample.language for sample in testset.samples}))
    facts = {key: getattr(testset, key) for key in ("name", "digest", "licence", "source", "about")}
    untimed = "" if any(_number(row.data.get("time")) for row in rows) else "the list has no times"
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
