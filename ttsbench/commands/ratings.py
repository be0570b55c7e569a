"""blind listening tests: export sheets and pages for raters, import their answers"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ttsbench import arguments
from ttsbench.errors import UserError
from ttsbench.progress import number_of

DESIGNS = ("category", "mos", "cmos", "smos", "ab")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench ratings`."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    out = commands.add_parser("export", help="blind sheets and listening pages from runs on one test set")
    out.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders of the systems to rate")
    out.add_argument("--design", choices=DESIGNS, default="mos", help="kind of test (default: mos)")
    out.add_argument("--raters", type=arguments.count(), default=8, help="number of sheets (default: 8)")
    out.add_argument(
        "--sentences", type=arguments.count(), default=0, metavar="N", help="only N sentences (default: all)"
    )
    out.add_argument(
        "--load", type=arguments.count(), default=0, metavar="N", help="conditions of a sentence each rater hears"
    )
    out.add_argument("--seed", type=arguments.count(0), default=0, help="of everything that is drawn (default: 0)")
    out.add_argument("--out", type=Path, default=Path("ratings"), help="folder to hand out (default: ratings)")
    out.add_argument("--key", type=Path, metavar="FILE", help="where the key goes (default: OUT.key.json, beside OUT)")
    out.add_argument("--json", action="store_true", help="what was written as one JSON line on standard output")
    back = commands.add_parser("import", help="check filled sheets, join the key, report")
    back.add_argument("sheets", nargs="+", type=Path, metavar="SHEET", help="filled .xlsx or saved .json, or folders")
    back.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key that export wrote")
    back.add_argument("--out", type=Path, default=Path("ratings-report"), help="folder of ratings.html and .csv")
    back.add_argument("--keep-all", action="store_true", help="count raters that fail anchors or repeats too")
    back.add_argument("--json", action="store_true", help="results as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Export or import. Import returns 1 where answers had problems."""
    return _export(options) if options.action == "export" else _import(options)


def _export(options: argparse.Namespace) -> int:
    from ttsbench.reports.listening import files, plan

    design = plan.DESIGNS[options.design]
    study = plan.plan(plan.gather(options.runs), design, options.raters, options.seed, options.load, options.sentences)
    key = options.key or options.out.with_name(options.out.name + ".key.json")
    files.write(study, options.out, key)
    items = {rater: len(sheet) for rater, sheet in study.sheets.items()}
    if options.json:
        about = {"out": str(options.out), "key": str(key), "study": study.name, "left_out": study.left_out}
        print(json.dumps({**about, "items": items}, ensure_ascii=False))
    left = f"; {len(study.left_out)} sentences without audio from every system are left out" if study.left_out else ""
    print(
        f"{len(items)} sheet{'s' if len(items) > 1 else ''} of {max(items.values())} items in {options.out}{left}. "
        f"Keep the key {key} to yourself.",
        file=sys.stderr,
    )
    return 0


def _import(options: argparse.Namespace) -> int:
    from ttsbench.reports.listening import analysis, files, plan

    key = plan.load_key(options.key)
    design = plan.DESIGNS[str(key["design"])]
    answers = [files.read(path, design) for path in sheets(options.sheets)]
    result = analysis.analyse(answers, key, design, options.keep_all)
    if not result.ratings:
        raise UserError("no usable answers: " + "; ".join(result.problems[:5]))
    files.write_result(result, options.out)
    if options.json:
        print(json.dumps(files.plain_data(result), ensure_ascii=False, allow_nan=False))
    else:
        files.print_result(result)
    came = {rater.name for rater in result.raters}
    handed_out = key["items"]
    assert isinstance(handed_out, dict)
    absent = [rater for rater in handed_out if rater not in came]
    out = [rater.name for rater in result.raters if not rater.kept]
    alpha = "not defined" if result.alpha is None else f"{result.alpha:.3f}"
    print(
        f"{number_of(len(result.ratings), 'answer')} of {number_of(len(result.raters), 'rater')}, "
        f"Krippendorff's alpha of {', '.join(result.counted) or 'no rater'} {alpha}"
        f"{', failed their checks: ' + ', '.join(out) if out else ''}; {number_of(len(result.problems), 'problem')}; "
        f"{'no sheet came back of ' + ', '.join(absent) + '; ' if absent else ''}"
        f"open {options.out / 'ratings.html'}.",
        file=sys.stderr,
    )
    return 1 if result.problems else 0


def sheets(paths: Sequence[Path]) -> list[Path]:
    """The files, and those inside the folders, but hidden ones and listening pages, which hold no answers."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [each for each in sorted(path.iterdir()) if each.is_file() and each.suffix.lower() != ".html"]
        inside = [each for each in inside if not each.name.startswith(("~", "."))]
        if not inside:
            raise UserError(f"{path}: holds no sheet; give the folder of the filled sheets (.xlsx, .json)")
        found += inside
    return found
