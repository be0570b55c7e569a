"""From a spec on the command line to a checked TestSet: `NAME` of a set, or `LAYOUT=PATH[,key=value...]` of a list."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ttsbench.errors import unknown
from ttsbench.records import TestSet
from ttsbench.testsets import kaldi, manifests
from ttsbench.testsets.catalogue import SHIPPED, card_of, folders
from ttsbench.testsets.check import finish
from ttsbench.testsets.faults import Draft, Fault, Row, TestSetError
from ttsbench.testsets.layouts import AUDIO, LAYOUTS, manifest_names
from ttsbench.testsets.published import PUBLISHED, lacking, root, spec_of

MANIFESTS = ("manifest", "emergent")  # layouts with named columns
OTHER_AUDIO = ("librispeech-pc", "manifest")  # whose option audio may be more than none or some


def load(spec: str) -> TestSet:
    """The test set of `spec`, every row checked; raises TestSetError with all faults at once.

    `spec` is a set's name (`seed-mini`; a published one, `seed-en`, lies where `ttsbench fetch` put it) or
    `LAYOUT=PATH[,key=value...]` (`seed-en=/data/en/meta.lst`).
    """
    name, equals, rest = spec.partition("=")
    if not equals and name in folders():
        return _ready(name, folders()[name])
    if not equals and name in PUBLISHED:
        if gone := lacking(name):
            own = f", or give your copy as {LAYOUTS[name].spec}" if name in LAYOUTS else ""
            command = PUBLISHED[name].command.format(root())
            remedy = f"{command} gets it{own}; TTSBENCH_DATA names the folder of data (now {root()})"
            raise TestSetError([Fault(name, 0, str(gone[0]), "the published set is not here", remedy)])
        return load(spec_of(name))
    if not equals or name not in LAYOUTS or not rest:
        known = f"sets: {', '.join(folders() | PUBLISHED)}; layouts (LAYOUT=PATH): {', '.join(LAYOUTS)}"
        close = unknown("test set", name, [*folders(), *PUBLISHED, *LAYOUTS]).partition("; ")[2]
        remedy = f"a file is given as manifest={spec}" if Path(spec).is_file() else close if "mean" in close else known
        raise TestSetError([Fault(spec, 0, name, "no such test set", remedy)])
    place, options = split(rest)
    layout, draft, path = LAYOUTS[name], Draft(), Path(place).expanduser()
    for key in options:
        if key not in (*layout.options, "name"):
            draft.fault(Path(spec), 0, key, "unknown option", f"{name} knows {', '.join((*layout.options, 'name'))}")
    wanted = options.get("audio", "")
    if "audio" in layout.options and name not in OTHER_AUDIO and wanted not in ("", *AUDIO):
        draft.fault(Path(spec), 0, wanted, "unknown value of audio", "give audio=none or audio=some")
    if draft.faults:
        raise TestSetError(draft.faults)
    title = options.pop("name", name if layout.published else path.resolve().stem)
    layout.read(draft, path, options)
    if wanted == "none":
        draft.rows = [_without_audio(row) for row in draft.rows]
    about = "" if layout.licence.startswith("that of your") else layout.about  # of your own list: how to write one
    return finish(draft, title, layout.licence, str(path), about, some=wanted == "some")


def split(rest: str) -> tuple[str, dict[str, str]]:
    """Path and options of `PATH[,key=value...]`."""
    place, *pairs = re.split(r",(?=[a-z_]+=)", rest)
    return place, {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def mapped(spec: str, columns: Mapping[str, str]) -> str:
    """A manifest's spec with the columns of `--map` put in; any other spec as it is."""
    if spec.partition("=")[0] not in MANIFESTS or "=" not in spec:
        return spec
    return spec + "".join(f",{name}={column}" for name, column in columns.items())


def outputs(spec: str) -> dict[str, Path]:
    """Id -> file of what a system has said: `MANIFEST`, `manifest=MANIFEST,audio=COLUMN,...` or a Kaldi `wav.scp`.

    Raises TestSetError with all faults, which include files that are not there at all.
    """
    place, options = split(spec.removeprefix("manifest="))
    draft, path = Draft(), Path(place).expanduser()
    if path.name.endswith(".scp"):
        found = kaldi.wav_scp(draft, path)
    else:
        found = manifests.outputs(draft, path, manifest_names(options))
    if not found and not draft.faults:
        draft.fault(path, 0, str(path), "names no audio", "give a manifest whose audio column names files")
    if found and not any(each.is_file() for each in found.values()):
        remedy = "paths in a manifest are relative to it"
        draft.fault(path, 0, str(next(iter(found.values()))), "none of its audio files is there", remedy)
    if draft.faults:
        raise TestSetError(draft.faults)
    return found


def _ready(name: str, folder: Path) -> TestSet:
    """A set that needs nothing, as its card says it is read."""
    draft, card = Draft(), card_of(folder)
    LAYOUTS[card.layout].read(draft, folder / card.file, dict(card.options))
    where = "embedded" if folder.parent == SHIPPED else str(folder)
    return finish(draft, name, card.licence, where, card.about)


def _without_audio(row: Row) -> Row:
    return replace(row, sample=replace(row.sample, prompt=None, truth=None))


def criteria(language: str) -> dict[str, dict[str, str]]:
    """The rating guide of the emergent categories of `language` ("en", "zh"): category -> title, looks_at, 1, 2, 3."""
    path = SHIPPED / f"emergent-{language}" / "criteria.json"
    rules: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return rules
