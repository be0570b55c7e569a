"""Embedded scoring of a folder of recordings: all cores against one process, and the second run from the cache.

    python benchmarks/scoring.py ../shared/data/librispeech-test-other [N: only the first recordings]

Prints seconds, ratios and times real time, all from one run on this machine, with the processor time of each and the
load before: on a machine that does other things the wall's seconds say little. The one-process side scores the same
files one by one with every model loaded once; the many-process side counts process start and model loading in every
process; the whole command counts the copying of files and the page besides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

Seconds = tuple[float, float]  # by the wall, of the processors

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"


def now() -> Seconds:
    """The wall's clock, and the processor time of this process and of its ended children."""
    spent = os.times()
    return time.perf_counter(), sum(spent[:4])


def since(start: Seconds) -> Seconds:
    wall, spent = now()
    return wall - start[0], spent - start[1]


def one_by_one(run_folder: Path) -> Seconds:
    """Seconds to compute every feature of a run in this process, one request at a time, models loaded once."""
    from ttsbench import metrics
    from ttsbench.features import Batch, extracting
    from ttsbench.scoring import _items, _wanted
    from ttsbench.store import Run

    items = _items(Run.open(run_folder))
    plan = _wanted(metrics.protocol("embedded"), items)
    requests = dict.fromkeys(request for row in plan for several in row for request in several)
    start = now()
    handle = extracting("cpu")
    for request in requests:
        handle(Batch(request.extractor, request.settings, [request]))
    return since(start)


def all_cores(run_folder: Path) -> Seconds:
    """Seconds to score a run again from nothing, on all cores."""
    from ttsbench.benchmark import Plan, score_run
    from ttsbench.store import Run

    shutil.rmtree(run_folder / "features")
    start = now()
    score_run(Run.open(run_folder), Plan(), lambda done, total, what: None)
    return since(start)


def command(folder: Path, out: Path, limit: list[str]) -> Seconds:
    """Seconds of `ttsbench score`, start-up and page included."""
    truth = ["--system", "ground-truth", "--testset", f"folder={folder}"]
    words = [sys.executable, "-m", "ttsbench", "run", *truth, *limit, "--out", str(out)]
    start = now()
    done = subprocess.run(words, capture_output=True, text=True)
    seconds = since(start)
    if done.returncode not in (0, 1) or not (out / "report.html").exists():
        raise SystemExit(done.stderr)
    return seconds


def main() -> None:
    from ttsbench.store import Run

    folder, limit = Path(sys.argv[1]).resolve(), ["--limit", sys.argv[2]] if sys.argv[2:] else []
    load = os.getloadavg()[0]
    out = Path(tempfile.mkdtemp(prefix="ttsbench-"))
    try:
        whole = command(folder, out, limit)
        again = command(folder, out, limit)
        (run,) = (path.parent for path in out.glob("*/run.json"))
        speech = sum(row.seconds for row in Run.open(run).syntheses.values())
        many = all_cores(run)
        one = one_by_one(run)
        print(f"load before                {load:8.1f}")
        print(f"speech                     {speech:8.1f} s")
        print("                               wall  processor")
        for title, (wall, spent) in (
            ("one process, one by one", one),
            (f"{os.cpu_count()} processes", many),
            ("whole command, with page", whole),
            ("again, from the cache", again),
        ):
            print(f"{title:26} {wall:8.1f} s {spent:8.1f} s")
        print(f"{os.cpu_count()} processes: {one[0] / many[0]:.2f} times as fast as one")
        print(f"times real time: {speech / many[0]:.1f} by the wall, {speech / many[1]:.1f} on one free core")
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
