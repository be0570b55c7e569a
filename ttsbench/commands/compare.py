"""did it get worse? two runs side by side; exit status 1 on a regression"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ttsbench import arguments
from ttsbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench compare`."""
    parser.add_argument("base", type=Path, metavar="BASE", help="run folder, or folder of runs, to compare with")
    parser.add_argument("new", type=Path, metavar="NEW", help="run folder, or folder of runs, to judge")
    parser.add_argument(
        "--fail-on", default="", metavar="LIST", help="thresholds, e.g. wer:+0.5abs,rtf:1.2x,dnsmos:off"
    )
    parser.add_argument(
        "--alpha",
        type=arguments.number(0, 1),
        default=0.01,
        help="chance of a false alarm, all metrics together (0.01)",
    )
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="spread over repeated runs, from calibrate")
    parser.add_argument(
        "--across-machines", action="store_true", help="compare timings of different machines all the same"
    )
    parser.add_argument(
        "--same", action="store_true", help="for scores of the same audio: fail on any change, better or worse"
    )
    parser.add_argument(
        "--accept", action="store_true", help="compare nothing: keep NEW's scores in BASE, without audio and timings"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="page with both audios (default: NEW/compare.html)")
    parser.add_argument("--title", default="", help="heading of the page (default: NEW against BASE)")
    parser.add_argument(
        "--label", type=arguments.label, action="append", default=[], metavar="NAME=LABEL",
        help="call a side (BASE or NEW as given, or its last part) or a system otherwise",
    )  # fmt: skip
    parser.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML, one test case a metric")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="for a pull request; '-': GitHub's step summary")
    parser.add_argument("--json", action="store_true", help="the comparison as one JSON line on standard output")


def run(options: argparse.Namespace) -> int:
    """Compare, write what was asked for, print the table and the closing sentence."""
    from ttsbench.reports import scores_only
    from ttsbench.reports.comparison import calibration, judge, output, page, result, thresholds

    if options.accept:
        written = scores_only.accept(options.new, options.base)
        print(f"{options.base} now holds the scores of {len(written)} runs in {options.new}.", file=sys.stderr)
        return 0
    found = judge.compare(
        [options.base],
        [options.new],
        thresholds.parse(options.fail_on),
        options.alpha,
        calibration.load(options.calibration) if options.calibration else None,
        options.across_machines,
        same=options.same,
    )
    found = result.labelled(found, dict(options.label), (options.base, options.new))
    html = options.html or options.new / "compare.html"
    page.write_page(found, html, options.title)
    if options.junit:
        _write(options.junit, output.junit(found))
    if options.markdown:
        _write(options.markdown, output.markdown(found))
    if options.json:
        print(json.dumps(output.plain_data(found), ensure_ascii=False, allow_nan=False))
    else:
        output.print_comparison(found)
    print(f"{found.sentence()} Both audios are in {html}.", file=sys.stderr)
    return 0 if found.passed else 1


def _write(path: Path, text: str) -> None:
    """Write a file; '-' appends to GitHub's step summary."""
    if str(path) == "-":
        if not os.environ.get("GITHUB_STEP_SUMMARY"):
            raise UserError("--markdown - needs GitHub's GITHUB_STEP_SUMMARY, which is not set: give a file")
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as handle:
            handle.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
