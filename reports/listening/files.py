"""Blind listening tests: what is handed out to raters, and what comes back."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttsbench import audio
from ttsbench.reports import beside, charts
from ttsbench.reports.clips import RATE
from ttsbench.reports.listening import plan, workbook
from ttsbench.reports.listening.analysis import Result
from ttsbench.reports.listening.plan import Design, Study
from ttsbench.reports.listening.workbook import Answers
from ttsbench.reports.render import render
from ttsbench.reports.sheets import csv_text
from ttsbench.reports.tables import ReportError, plain
from ttsbench.store import write_atomically

# --- export -------------------------------------------------------------------------------------------------------


def write(study: Study, out: Path, key: Path) -> None:
    """Write audio/, one workbook and one listening page a rater into `out`, and the key outside of it."""
    if key.resolve().is_relative_to(out.resolve()):
        raise ReportError(f"--key {key} lies inside {out}, which is handed out: raters would see the key")
    clips = {code: _clip(path, degraded, study.design) for code, (path, degraded) in study.sources.items()}
    for code, data in clips.items():
        write_atomically(out / "audio" / f"{code}.opus", data)
    for rater in study.sheets:
        workbook.write(out / f"{rater}.xlsx", study, rater)
        write_atomically(out / f"{rater}.html", listening_page(study, rater, clips).encode())
    write_atomically(key, json.dumps(plan.key(study), indent=1, ensure_ascii=False).encode())


def _clip(path: Path, degraded: bool, design: Design) -> bytes:
    """A clip as Opus at one loudness; the anchor with noise that follows the signal, or another voice as it is.

    Loudness: RMS of -26 dB below full scale. Noise: ITU-T P.810 (MNRU) at Q = 5 dB.
    """
    samples = audio.read_at(path, RATE)
    if degraded and not design.reference:
        noise = np.random.default_rng(0).standard_normal(samples.size).astype(np.float32)
        samples = samples * (1 + 10 ** (-5 / 20) * noise)
    level = float(np.sqrt(np.mean(samples**2)))
    gain = 10 ** (-26 / 20) / level if level > 0 else 1.0
    gain = min(gain, 0.99 / max(float(np.abs(samples).max()), 1e-9))
    out = io.BytesIO()
    soundfile.write(out, samples * gain, RATE, format="OGG", subtype="OPUS")
    return out.getvalue()


def listening_page(study: Study, rater: str, clips: dict[str, bytes]) -> str:
    """One rater's test as a page that needs nothing but itself."""
    items = study.sheets[rater]
    told = ("looks_at", "1", "2", "3") if study.design.name == "category" else ()
    rows = []
    for item in items:
        heard = list(zip(("A", "B") if study.design.pairs else ("Play",), item.clips, strict=True))
        heard = [("Reference", item.reference), *heard] if item.reference else heard
        criteria = [study.criteria.get(item.category, {}).get(name, "") for name in told]
        rows.append({"id": item.id, "category": item.category, "text": item.text, "clips": heard, "criteria": criteria})
    used = {code for row in rows for _, code in row["clips"]}
    sound = {code: "data:audio/ogg;base64," + base64.b64encode(clips[code]).decode() for code in sorted(used)}
    data = {"study": study.name, "rater": rater, "scale": study.design.scale, "items": rows}
    values = [value for value, _ in study.design.scale]
    letters = not values[0].lstrip("-").isdigit()
    first, *lines = workbook.instructions(study.design, len(items))  # the question is the page's heading
    keys = f"{', '.join(value[0].upper() for value in values)} answer" if letters else "digits answer"
    return render(
        "listen.html", ("listen.js",), {"study": data, "audio": sound}, title="Listening test", rater=rater, keys=keys,
        question=study.design.question, lines=[first.removesuffix(study.design.question).strip(), *lines],
    )  # fmt: skip


# --- import -------------------------------------------------------------------------------------------------------


def read(path: Path, design: Design) -> Answers:
    """A filled workbook, or the file that a listening page saved."""
    if path.suffix.lower() == ".xlsx":
        return workbook.read(path, design)
    found = workbook.Answers("", "")
    if path.suffix.lower() != ".json":
        found.problems.append(f"{path}: not read; give the workbook (.xlsx), or what the listening page saved (.json)")
        return found
    try:
        data = json.loads(path.read_text("utf-8"))
        found.rater, found.study, given = str(data["rater"]), str(data["study"]), dict(data["answers"])
        unanswered = [str(name) for name in data["items"] if name not in given]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        found.problems.append(f"{path}: not a file saved by a listening page ({type(fault).__name__}: {fault})")
        return found
    for item, value in given.items():
        workbook.take(found, design, str(item), value, f"{path}, item {item}")
    found.problems += [f"{path}: item {item} has no answer" for item in unanswered]
    return found


def plain_data(result: Result) -> dict[str, Any]:
    """The result as JSON-able data."""
    return {
        "design": result.design.name,
        "alpha": result.alpha,
        "problems": result.problems,
        "raters": [{**asdict(rater), "kept": rater.kept, "why": rater.why} for rater in result.raters],
        "cells": {
            name: {cut or "all": asdict(cell) for cut, cell in cuts.items()} for name, cuts in result.cells.items()
        },
        "scale": [asdict(each) for each in result.scale],
        "counted": list(result.counted),
        "pairs": [{"first": a, "second": b, **asdict(gap), "p_adjusted": p} for a, b, gap, p in result.pairs],
    }


def print_result(result: Result) -> None:
    """Means, raters and problems in the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:  # a log has no width
        console.width = 160
    out = Table(box=box.SIMPLE_HEAD, title=plain(result.design.question), title_justify="left")
    out.add_column("pair" if result.design.pairs else "system", overflow="fold", min_width=12)
    for cut in ("all", *result.categories):
        out.add_column(Text(plain(cut)), justify="right")
    for name, cuts in result.cells.items():
        out.add_row(Text(plain(name)), *[Text(_figure(cell)) for cell in cuts.values()])
    console.print(out)
    for each in result.scale:
        console.print(Text(plain(f"{each.name}: {each.value:+.2f} log odds ({each.low:+.2f} to {each.high:+.2f})")))
    if result.no_scale:
        console.print(Text(f"no scale: {result.no_scale}"))
    for rater in result.raters:
        if not rater.kept:
            console.print(Text(plain(f"{rater.name} {rater.why}"), style="yellow"))
    for problem in result.problems[:20]:
        console.print(Text(plain(problem), style="red"))
    if len(result.problems) > 20:
        console.print(Text(f"and {len(result.problems) - 20} more problems, listed in the page", style="red"))


def _figure(cell: Any) -> str:
    if cell.value is None:
        return "–"
    return f"{cell.value:.2f}" + (f"\n{cell.low:.2f} to {cell.high:.2f}" if cell.low is not None else "")


def write_result(result: Result, out: Path) -> None:
    """ratings.html with a bar chart per category (as in Figure 1 of the Llasa paper), and ratings.csv."""
    rows = [
        (r.rater, r.item, r.sample, r.category, " against ".join(r.systems), r.role, r.value) for r in result.ratings
    ]
    head = ("rater", "item", "sample", "category", "system", "role", "value")
    write_atomically(out / "ratings.csv", csv_text(head, rows).encode())
    cuts = result.categories or [""]
    limits = result.metric.low, result.metric.high
    bars = []
    for cut in cuts:
        tracks = [(name, cells[cut], name == "ground-truth") for name, cells in result.cells.items()]
        bars.append(charts.chart(result.metric, tracks, cut or "All sentences", bars=True, limits=limits))
    text = render("ratings.html", ("page.js",), title="Ratings", result=result, bars=bars)
    beside.write(out / "ratings.html", text)
