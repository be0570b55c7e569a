"""The Open TTS Leaderboard's files: lists of results, its CSV tables' rows, and the sidecar of times to first audio.

Laid out as its scripts look for them: `<model>/MODEL_<model>_DATASET_<set>_<language>[_voice_clone].jsonl` with the
audio in a folder beside, `TTFA_...json`, and a CSV file for each of its benchmarks.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.audio import SUFFIXES
from ttsbench.benchmark import safe
from ttsbench.errors import UserError
from ttsbench.exchange._open_tts_list import CLONED, GIVEN, read, recognises
from ttsbench.exchange._ttfa import sidecar, streaming_row
from ttsbench.records import Sample, Score, Synthesis
from ttsbench.reports.sheets import csv_text
from ttsbench.store import Run, write_atomically

__all__ = ["ABOUT", "PROTOCOL", "read", "recognises", "transcripts", "write"]

ABOUT = "lists of results, CSV rows and times to first audio, as the Open TTS Leaderboard keeps them"
PROTOCOL = "open-tts"
SCORED = (PROTOCOL, f"{PROTOCOL}-given-transcripts")
THEIR_NAMES = {"seed-en": "seed_tts_eval_tts", "seed-zh": "seed_tts_eval_tts", "seed-hard": "seed_tts_eval_tts_zh_hard"}
TABLES = {"seed_tts_eval_tts": "seed_tts", "cv3_eval_zero_shot": "cv3", "minimax_eval_tts": "minimax"}
AVERAGED = ("cv3", "minimax")  # their tables with columns of averages
SIM_MODEL = "wavlm_seed_tts"
TIMES = "TTFA_"  # how names of sidecars begin


@dataclass(frozen=True)
class Part:
    """The rows of one language of one run, in the order of the test set; rows without output are left out, as theirs
    are: `left` names them, each with the reason."""

    model: str
    dataset: str
    language: str
    cloned: bool
    samples: tuple[Sample, ...]
    rows: tuple[dict[str, Any], ...]
    errors: int
    length: int
    left: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Model, data set and mode, as in the names of their files."""
        return f"MODEL_{self.model}_DATASET_{self.dataset}{CLONED if self.cloned else ''}"


def transcripts(run: Run) -> Path:
    """The transcripts and values of a run that was read from a list."""
    return run.path / GIVEN


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Write lists, tables and sidecars below `out`. Raises UserError for a run without scores of this protocol."""
    files: list[Path] = []
    parts: list[Part] = []
    for run in runs:
        for part in _parts(run):
            folder = out / part.model
            if same := [each for each in parts if each.name == part.name]:
                told = f"{run.path} and an earlier run are both model {part.model} on {same[0].dataset}"
                raise UserError(f"{told}, which would be one file: export one of them into another --out")
            files += [_list(run, part, folder), *_left_out(part, folder), *_sidecar(run, part, folder)]
            parts.append(part)
    return files + list(_tables(parts, out)) + list(_streaming(files, out))


def _parts(run: Run) -> list[Part]:
    protocol = next((name for name in SCORED if name in run.protocols()), "")
    if not protocol:
        raise UserError(f"{run.path}: no scores of {PROTOCOL}; run ttsbench score {run.path} --protocol {PROTOCOL}")
    asked = [metric.name for metric in run.metrics(protocol)]
    rates = [run.scores(protocol, f"{name}-as-published") for name in ("wer", "cer") if f"{name}-as-published" in asked]
    heard = {score.sample: score for scores in rates for score in scores if not score.na and not score.error}
    sims = {score.sample: score for score in run.scores(protocol, "sim-o")} if "sim-o" in asked else {}
    model = safe(run.info["system"]["name"])
    found = []
    for language in dict.fromkeys(sample.language for sample in run.samples):
        spoken = [each for each in run.samples if each.language == language]
        samples = tuple(each for each in spoken if each.id in heard)
        left = tuple((each.id, _why(run, each.id)) for each in spoken if each.id not in heard)
        cloned = any(sample.prompt for sample in samples)
        dataset = _dataset(run.info["testset"]["name"], language)
        folder = f"{dataset}{CLONED if cloned else ''}"
        rows = tuple(_row(run, each, heard[each.id], sims.get(each.id), folder, cloned) for each in samples)
        details = [heard[each.id].detail for each in samples]
        errors = sum(each["substitutions"] + each["deletions"] + each["insertions"] for each in details)
        length = sum(each["length"] for each in details)
        found.append(Part(model, dataset, language, cloned, samples, rows, errors, length, left))
    return found


def _why(run: Run, name: str) -> str:
    made = run.syntheses.get(name)
    return "no output" if made is None else made.error or "no transcript"


def _left_out(part: Part, folder: Path) -> Iterable[Path]:
    """Rows that the list lacks and why, as CSV; no file where it has all."""
    if not part.left:
        return []
    path = folder / f"LEFT_OUT_{part.name}.csv"
    write_atomically(path, csv_text(("id", "reason"), part.left).encode())
    return [path]


def _dataset(name: str, language: str) -> str:
    """Their name of a test set, with the language at its end; our own name where they have none."""
    known = THEIR_NAMES.get(name, name)
    for ours, theirs in (("cv3-zero-shot-", "cv3_eval_zero_shot_"), ("minimax-", "minimax_eval_tts_")):
        known = theirs + known.removeprefix(ours).replace("-", "_") if known.startswith(ours) else known
    return known if known.endswith((f"_{language}", "_hard", f"_hard_{language}")) else f"{known}_{language}"


def _row(run: Run, sample: Sample, heard: Score, sim: Score | None, folder: str, cloned: bool) -> dict[str, Any]:
    made = run.syntheses[sample.id]
    row: dict[str, Any] = {
        "audio_filepath": f"{folder}/output_{sample.id}{Path(made.audio).suffix}",
        "duration": made.seconds or None,
        "time": made.total or None,
        "text": sample.text,
        "pred_text": heard.detail["transcript"],
    }
    if cloned:
        value = None if sim is None or sim.value is None else round(sim.value, 6)
        row |= {"prompt_audio_filepath": str(sample.prompt or ""), "sim": value, "sim_model": SIM_MODEL}
    return row


def _list(run: Run, part: Part, folder: Path) -> Path:
    """One list, and its audio beside (linked where that can be, else copied; what is not there is left out)."""
    for sample, row in zip(part.samples, part.rows, strict=True):
        source, target = run.audio(run.syntheses[sample.id]), folder / row["audio_filepath"]
        if source is None or source.suffix.lower() not in SUFFIXES or not source.is_file():
            continue  # a list of somebody else's may name any file of this machine
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    path = folder / f"{part.name}.jsonl"
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part.rows).encode())
    return path


def _sidecar(run: Run, part: Part, folder: Path) -> Iterable[Path]:
    """Times to first audio, where the run has the times of its chunks."""
    made: list[Synthesis] = [run.syntheses[sample.id] for sample in part.samples]
    if not made or not all(each.chunks and each.total for each in made):
        return []
    facts = {"model_id": part.model, "dataset_path": part.dataset, "split": part.language}
    data = sidecar(made) | facts | {"mode_suffix": CLONED if part.cloned else ""}
    device = re.sub(r"\W+", "-", run.info.get("device") or "unknown")
    path = folder / f"{TIMES}{part.name}__{device}.json"
    write_atomically(path, (json.dumps(data, indent=1) + "\n").encode())
    return [path]


def _streaming(files: Sequence[Path], out: Path) -> Iterable[Path]:
    """streaming.csv of the sidecars: a row a model; of several on one device the first without cloning."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for file in (each for each in files if each.name.startswith(TIMES)):
        data, device = json.loads(file.read_bytes()), file.stem.rpartition("__")[2].upper()
        devices = found.setdefault(data["model_id"], {})
        if device not in devices or (devices[device]["mode_suffix"] and not data["mode_suffix"]):
            devices[device] = data
    if not found:
        return []
    rows = [{"model": model, **streaming_row(devices)} for model, devices in found.items()]
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    lines.writeheader()
    lines.writerows(
        {name: short(each) if isinstance(each, float) else each for name, each in row.items()} for row in rows
    )
    path = out / "streaming.csv"
    write_atomically(path, text.getvalue().encode())
    return [path]


def _tables(parts: Sequence[Part], out: Path) -> Iterable[Path]:
    """A CSV file for each benchmark: a row a model, columns a language."""
    tables: dict[str, list[Part]] = {}
    for part in parts:
        tables.setdefault(_benchmark(part)[0] + (CLONED if part.cloned else ""), []).append(part)
    for name, own in tables.items():
        languages = list(dict.fromkeys(_benchmark(part)[1] for part in own))
        kinds = ("WER", "RTFx", *(("SIM",) if own[0].cloned else ()))
        header = [f"{language} {kind}" for language in languages for kind in kinds]
        averages = [f"avg {kind}" for kind in kinds] if name.removesuffix(CLONED) in AVERAGED else []
        text = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["model", *header, *averages])
        for model in dict.fromkeys(part.model for part in own):
            values = _values([part for part in own if part.model == model])
            shown = {column: short(value) for column, value in values.items()}
            for kind in kinds:
                there = [float(shown[f"{each} {kind}"]) for each in languages if shown.get(f"{each} {kind}")]
                shown[f"avg {kind}"] = short(sum(there) / len(there), 6) if there else ""
            lines.writerow([model, *(shown.get(column, "") for column in (*header, *averages))])
        path = out / f"{name}.csv"
        write_atomically(path, text.getvalue().encode())
        yield path


def _benchmark(part: Part) -> tuple[str, str]:
    """Table and column: which benchmark a data set's name holds, and what follows it; of other sets the whole name."""
    for marker, table in TABLES.items():
        if f"{marker}_" in part.dataset:
            return table, part.dataset.partition(f"{marker}_")[2]
    return "results", part.dataset


def _values(parts: Sequence[Part]) -> dict[str, float | None]:
    """Their numbers: rate and SIM in per cent with two decimals, RTFx with four; None where there is none."""
    values: dict[str, float | None] = {}
    for part in parts:
        language = _benchmark(part)[1]
        timed = bool(part.rows) and all(row["time"] and row["duration"] for row in part.rows)
        seconds, times = (sum(row[key] for row in part.rows) if timed else 0.0 for key in ("duration", "time"))
        sims = [row["sim"] for row in part.rows if row.get("sim") is not None]
        values[f"{language} WER"] = round(100 * part.errors / part.length, 2) if part.length else None
        values[f"{language} RTFx"] = round(seconds / times, 4) if timed else None
        values[f"{language} SIM"] = round(100 * sum(sims) / len(sims), 2) if sims else None
    return values


def short(value: float | None, digits: int = 2) -> str:
    """As their tables print a number: no zeros at the end, nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}".rstrip("0").rstrip(".")
