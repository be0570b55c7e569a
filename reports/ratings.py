"""`ttsbench ratings export RUN ...` and `ttsbench ratings import SHEETS`: blind listening tests, out and back in."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttsbench.reports.panel import Result
    from ttsbench.reports.sheets import Design, Study
    from ttsbench.reports.workbook import Answers

NAMES = ("category", "mos", "cmos", "smos", "ab")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    out = commands.add_parser("export", help="blind sheets and listening pages from runs on one test set")
    out.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders of the systems to rate")
    out.add_argument("--design", choices=NAMES, default="mos", help="kind of test (default: mos)")
    out.add_argument("--raters", type=int, default=8, help="number of sheets (default: 8)")
    out.add_argument("--sentences", type=int, default=0, metavar="N", help="only N sentences (default: all)")
    out.add_argument("--load", type=int, default=0, metavar="N", help="conditions of a sentence each rater hears")
    out.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    out.add_argument("--out", type=Path, default=Path("ratings"), help="folder to hand out (default: ratings)")
    out.add_argument("--key", type=Path, metavar="FILE", help="where the key goes (default: OUT.key.json, beside OUT)")
    out.add_argument("--json", action="store_true", help="what was written as one JSON line on standard output")
    back = commands.add_parser("import", help="check filled sheets, join the key, report")
    back.add_argument("sheets", nargs="+", type=Path, metavar="SHEET", help="filled .xlsx or saved .json, or folders")
    back.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key that export wrote")
    back.add_argument("--out", type=Path, default=Path("ratings-report"), help="folder of ratings.html and .csv")
    back.add_argument("--keep-all", action="store_true", help="count raters that fail anchors or repeats too")
    back.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(args: argparse.Namespace) -> int:
    return _export(args) if args.action == "export" else _import(args)


# --- export -------------------------------------------------------------------------------------------------------


def _export(args: argparse.Namespace) -> int:
    from ttsbench.reports import sheets

    design = sheets.DESIGNS[args.design]
    study = sheets.plan(sheets.gather(args.runs), design, args.raters, args.seed, args.load, args.sentences)
    key = args.key or args.out.with_name(args.out.name + ".key.json")
    write(study, args.out, key)
    counts = {len(items) for items in study.sheets.values()}
    if args.json:
        about = {"out": str(args.out), "key": str(key), "study": study.name, "left_out": study.left_out,
                 "items": {rater: len(items) for rater, items in study.sheets.items()}}  # fmt: skip
        sys.stdout.write(json.dumps(about, ensure_ascii=False) + "\n")
    left = f"; {len(study.left_out)} sentences without audio from every system are left out" if study.left_out else ""
    sys.stderr.write(
        f"{len(study.sheets)} sheets of {max(counts)} items in {args.out}{left}. Keep the key {key} to yourself.\n"
    )
    return 0


def write(study: Study, out: Path, key: Path) -> None:
    """Write audio/, one workbook and one listening page a rater into `out`, and the key outside of it."""
    from ttsbench.reports import sheets, workbook
    from ttsbench.reports.tables import ReportError
    from ttsbench.store import write_atomically

    if key.resolve().is_relative_to(out.resolve()):
        raise ReportError(f"--key {key} lies inside {out}, which is handed out: raters would see the key")
    clips = {code: _clip(path, degraded, study.design) for code, (path, degraded) in study.sources.items()}
    for code, data in clips.items():
        write_atomically(out / "audio" / f"{code}.opus", data)
    for rater in study.sheets:
        workbook.write(out / f"{rater}.xlsx", study, rater)
        write_atomically(out / f"{rater}.html", listening_page(study, rater, clips).encode())
    write_atomically(key, json.dumps(sheets.key(study), indent=1, ensure_ascii=False).encode())


def _clip(path: Path, degraded: bool, design: Design) -> bytes:
    """A clip as Opus at one loudness; the anchor with noise that follows the signal, or another voice as it is.

    Loudness: RMS of -26 dB below full scale. Noise: ITU-T P.810 (MNRU) at Q = 5 dB.
    """
    import io

    import numpy as np
    import soundfile

    from ttsbench import audio
    from ttsbench.reports.sound import RATE

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
    import base64

    from ttsbench.reports import page, workbook

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
    return page.render(
        "listen.html", ("listen.js",), {"study": data, "audio": sound}, title="Listening test", rater=rater,
        question=study.design.question, lines=workbook.instructions(study.design, len(items)),
    )  # fmt: skip


# --- import -------------------------------------------------------------------------------------------------------


def _import(args: argparse.Namespace) -> int:
    from ttsbench.reports import panel, sheets
    from ttsbench.reports.tables import ReportError

    key = sheets.load_key(args.key)
    design = sheets.DESIGNS[str(key["design"])]
    answers = [read(path, design) for path in _files(args.sheets)]
    result = panel.analyse(answers, key, design, args.keep_all)
    if not result.ratings:
        raise ReportError("no usable answers: " + "; ".join(result.problems[:5]))
    write_result(result, args.out)
    if args.json:
        sys.stdout.write(json.dumps(plain_data(result), ensure_ascii=False, allow_nan=False) + "\n")
    else:
        print_result(result)
    out = [rater.name for rater in result.raters if not rater.kept]
    alpha = "not defined" if result.alpha is None else f"{result.alpha:.3f}"
    sys.stderr.write(
        f"{len(result.ratings)} answers of {len(result.raters)} raters, Krippendorff's alpha {alpha}"
        f"{', failed their checks: ' + ', '.join(out) if out else ''}; {len(result.problems)} problems; "
        f"open {args.out / 'ratings.html'}.\n"
    )
    return 1 if result.problems else 0


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = [each for each in sorted(path.iterdir()) if each.suffix in (".xlsx", ".json")] if path.is_dir() else []
        found += [each for each in inside if not each.name.startswith(("~", "."))] or [path]
    return found


def read(path: Path, design: Design) -> Answers:
    """A filled workbook, or the file that a listening page saved."""
    from ttsbench.reports import workbook

    if path.suffix == ".xlsx":
        return workbook.read(path, design)
    found = workbook.Answers("", "")
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
    from dataclasses import asdict

    return {
        "design": result.design.name,
        "alpha": result.alpha,
        "problems": result.problems,
        "raters": [{**asdict(rater), "kept": rater.kept, "why": rater.why} for rater in result.raters],
        "cells": {
            name: {cut or "all": asdict(cell) for cut, cell in cuts.items()} for name, cuts in result.cells.items()
        },
        "pairs": [{"first": a, "second": b, **asdict(gap), "p_adjusted": p} for a, b, gap, p in result.pairs],
    }


def print_result(result: Result) -> None:
    """Means, raters and problems in the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ttsbench.reports.tables import plain

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
    from ttsbench.reports import charts, page
    from ttsbench.reports.values import csv_text
    from ttsbench.store import write_atomically

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
    counted = sum(rater.kept for rater in result.raters)
    text = page.render("ratings.html", title="Ratings", result=result, bars=bars, counted=counted)
    write_atomically(out / "ratings.html", text.encode())
