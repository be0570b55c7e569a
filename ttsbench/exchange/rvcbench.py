"""RVCBench's files: the lists that its `prompts` command writes, and outputs named as its `score` wants them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.digests import sha256
from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.store import Run, write_atomically

ABOUT = "RVCBench's prompts.jsonl, .tsv and .lst, and a folder of outputs for `rvcbench score`"
LISTS = {"prompts.tsv": "\t", "prompts.lst": "|"}  # ZipVoice's test list, Seed-TTS's meta list
SEPARATOR = "__"  # between task and pair in a flat file's name


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """A folder a run: `prompts.*` beside `references/`, and `generated/<task>__<pair>.wav` (links where that can be).

    Raises UserError for a row without a prompt, and for a text that a list's separator would break.
    """
    files: list[Path] = []
    for run in runs:
        folder = out / run.path.name
        rows = [_row(run, sample, folder) for sample in run.samples]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomically(folder / "prompts.jsonl", lines.encode())
        for name, between in LISTS.items():
            write_atomically(folder / name, "".join(_line(row, between, folder, name) for row in rows).encode())
        about = {"suite": run.info["testset"]["name"], "prompts": len(rows)}
        write_atomically(folder / "suite.json", (json.dumps(about, indent=1) + "\n").encode())
        for sample, row in zip(run.samples, rows, strict=True):
            made = run.syntheses.get(sample.id)
            audio = run.audio(made) if made else None
            if audio is not None and audio.is_file():
                _link(audio, folder / "generated" / f"{row['id']}{audio.suffix}")
        files += [folder / name for name in ("prompts.jsonl", *LISTS)]
    return files


def _row(run: Run, sample: Sample, folder: Path) -> dict[str, Any]:
    """A row of prompts.jsonl; its task is the sample's category, else the test set's name."""
    if sample.prompt is None or not sample.prompt.is_file():
        raise UserError(f"{run.path}: row {sample.id!r} has no prompt that is here, and RVCBench clones voices alone")
    task = (sample.category or run.info["testset"]["name"]).replace(SEPARATOR, "-").replace("/", "-")
    pair = sample.id.removeprefix(f"{task}{SEPARATOR}")
    reference = Path("references") / task / f"{pair}{sample.prompt.suffix}"
    _link(sample.prompt, folder / reference)
    return {
        "id": f"{task}{SEPARATOR}{pair}",
        "task": task,
        "pair_id": pair,
        "speaker_id": sample.speaker,
        "reference_audio": reference.as_posix(),
        "reference_sha256": sha256(sample.prompt),
        "reference_text": sample.prompt_text,
        "text": sample.text,
        "language": sample.language.upper(),
        "output_file": f"{task}/{pair}.wav",
    }


def _line(row: dict[str, Any], between: str, folder: Path, name: str) -> str:
    fields = [row["id"], row["reference_text"], str((folder / row["reference_audio"]).resolve()), row["text"]]
    fields = [re.sub(r"\s*\n\s*", " ", field) for field in fields]
    if broken := next((field for field in fields if between in field), ""):
        told = f"{broken[:60]!r} holds {between!r}, which parts its fields; reword it or write it otherwise"
        raise UserError(f"{name}: {row['id']}: {told}")
    return between.join(fields) + "\n"


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
