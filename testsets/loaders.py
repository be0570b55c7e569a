"""From a spec on the command line to a checked TestSet: `NAME` of an embedded set, or `LAYOUT=PATH[,key=value...]`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ttsbench.records import TestSet
from ttsbench.testsets import lists, tables, trees
from ttsbench.testsets.catalogue import PUBLISHED, card_of, embedded, folder_of
from ttsbench.testsets.check import finish, id_problem
from ttsbench.testsets.faults import Draft, Fault, Row, TestSetError, read_lines

Options = dict[str, str]


@dataclass(frozen=True)
class Layout:
    """How one kind of list is read: its parser, and the options it knows beside `name`."""

    read: Callable[[Draft, Path, Options], None]
    options: tuple[str, ...]


def load(spec: str) -> TestSet:
    """The test set of `spec`, every row checked; raises TestSetError with all faults at once.

    `spec` is an embedded name (`seed-mini`) or `LAYOUT=PATH[,key=value...]` (`seed-en=/data/en/meta.lst`).
    """
    name, equals, rest = spec.partition("=")
    if not equals and name in embedded():
        return _embedded(name)
    if not equals or name not in LAYOUTS or not rest:
        known = f"embedded sets: {', '.join(embedded())}; layouts (LAYOUT=PATH): {', '.join(LAYOUTS)}"
        raise TestSetError([Fault(spec, 0, name, "no such test set", known)])
    place, *pairs = re.split(r",(?=[a-z_]+=)", rest)
    options = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
    layout, draft, path = LAYOUTS[name], Draft(), Path(place).expanduser()
    for key in options:
        if key not in (*layout.options, "name"):
            draft.fault(Path(spec), 0, key, "unknown option", f"{name} knows {', '.join((*layout.options, 'name'))}")
    if draft.faults:
        raise TestSetError(draft.faults)
    fixed = PUBLISHED[name].rows is not None or name == "librispeech-continuation"
    title = options.pop("name", name if fixed else path.resolve().stem)
    layout.read(draft, path, options)
    if options.get("audio") == "none":
        draft.rows = [_without_audio(row) for row in draft.rows]
    return finish(draft, title, PUBLISHED[name].licence, str(path), PUBLISHED[name].about)


def _embedded(name: str) -> TestSet:
    draft, card = Draft(), card_of(name)
    if name == "seed-mini":
        _seed(draft, folder_of(name) / "meta.lst", {}, "en")
        # prompts are called <voice>_p<number>
        draft.rows = [
            replace(row, sample=replace(row.sample, speaker=row.sample.speaker.rpartition("_")[0]))
            for row in draft.rows
        ]
    else:
        tables.table(draft, folder_of(name) / "list.tsv", tables.Columns())
    return finish(draft, name, card.licence, "embedded", card.about)


def _seed(draft: Draft, path: Path, options: Options, language: str, default: str = "meta.lst") -> None:
    path = path / default if path.is_dir() else path
    lists.seed(draft, read_lines(path, draft), path, options.get("language", language))
    draft.rows = [_with_truth(row) for row in draft.rows]


def _with_truth(row: Row) -> Row:
    truth = row.file.parent / "wavs" / f"{row.sample.id}.wav"
    if row.sample.truth or id_problem(row.sample.id) or not truth.is_file():
        return row
    return replace(row, sample=replace(row.sample, truth=truth))


def _seed_en(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "en")


def _seed_zh(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "zh")


def _seed_hard(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "zh", "hardcase.lst")


def _librispeech_pc(draft: Draft, path: Path, options: Options) -> None:
    given = options.get("audio", "")
    root = Path(given).expanduser() if given and given != "none" else path.parent
    audio = root / "test-clean" if (root / "test-clean").is_dir() else root
    lists.librispeech_pc(draft, read_lines(path, draft), path, audio)


def _librispeech_continuation(draft: Draft, path: Path, options: Options) -> None:
    lengths = []
    for key, default in (("seconds", 3.0), ("shortest", 4.0), ("longest", 10.0)):
        try:
            lengths.append(float(options.get(key, default)))
        except ValueError:
            draft.fault(path, 0, options[key], f"{key} is no number", "give seconds, e.g. 3.0")
    if draft.faults:
        return
    if not 0 < lengths[0] < lengths[1] <= lengths[2]:
        draft.fault(path, 0, str(lengths), "impossible lengths", "0 < seconds < shortest <= longest must hold")
        return
    folder = path / "test-clean" if (path / "test-clean").is_dir() else path
    trees.librispeech_continuation(draft, folder, trees.Lengths(*lengths), _path(options, "transcripts"))


def _zipvoice(draft: Draft, path: Path, options: Options) -> None:
    lists.zipvoice(draft, read_lines(path, draft), path, options.get("language", "en"))


def _folder(draft: Draft, path: Path, options: Options) -> None:
    if options.get("prompt", "next") != "next":
        draft.fault(path, 0, options["prompt"], "unknown prompt rule", "give prompt=next or leave it out")
    trees.folder_of_audio(
        draft,
        path,
        options.get("language", "en"),
        options.get("task", "zero-shot"),
        _path(options, "transcripts"),
        options.get("suffix", ""),
        options.get("prompt", ""),
    )


def _table(draft: Draft, path: Path, options: Options, numbered: bool = False) -> None:
    only = dict(pair.partition(":")[::2] for pair in [options["only"]] if pair) if "only" in options else {}
    names = {key: value for key, value in options.items() if key in tables.FIELDS and key not in ("language", "task")}
    language, task = options.get("language", "en"), options.get("task", "zero-shot")
    tables.table(draft, path, tables.Columns(names, only, language, task, numbered))


def _emergent(draft: Draft, path: Path, options: Options) -> None:
    _table(draft, path, options, numbered=True)


def _path(options: Options, key: str) -> Path | None:
    return Path(options[key]).expanduser() if key in options else None


def _without_audio(row: Row) -> Row:
    return replace(row, sample=replace(row.sample, prompt=None, truth=None))


_COLUMNS = ("id", "text", "prompt", "prompt_text", "truth", "speaker", "category", "prompt_seconds")
LAYOUTS = {
    "seed-en": Layout(_seed_en, ("language", "audio")),
    "seed-zh": Layout(_seed_zh, ("language", "audio")),
    "seed-hard": Layout(_seed_hard, ("language", "audio")),
    "librispeech-pc": Layout(_librispeech_pc, ("audio",)),
    "librispeech-continuation": Layout(_librispeech_continuation, ("transcripts", "seconds", "shortest", "longest")),
    "zipvoice": Layout(_zipvoice, ("language", "audio")),
    "emergent": Layout(_emergent, ("language", "audio", *_COLUMNS)),
    "folder": Layout(_folder, ("language", "task", "transcripts", "suffix", "prompt")),
    "table": Layout(_table, ("language", "task", "audio", "only", *_COLUMNS)),
}


def criteria(language: str) -> dict[str, dict[str, str]]:
    """The rating guide of the emergent categories of `language` ("en", "zh"): category -> title, looks_at, 1, 2, 3."""
    path = folder_of(f"emergent-{language}") / "criteria.json"
    rules: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return rules
