"""Embedded scoring of a folder of recordings: all cores against one process, and the second run from the cache.

    python benchmarks/scoring.py ../shared/data/librispeech-test-other

Prints seconds, ratios and times real time, all from one run on this machine. The one-process side scores the same
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

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"


def one_by_one(run_folder: Path) -> float:
    """Seconds to compute every feature of a run in this process, one request at a time, models loaded once."""
    from ttsbench import metrics
    from ttsbench.features import Batch, extracting
    from ttsbench.scoring import _items, _wanted
    from ttsbench.store import Run

    items = _items(Run.open(run_folder))
    plan = _wanted(metrics.protocol("embedded"), items)
    requests = dict.fromkeys(request for row in plan for several in row for request in several)
    start = time.perf_counter()
    handle = extracting("cpu")
    for request in requests:
        handle(Batch(request.extractor, request.settings, [request]))
    return time.perf_counter() - start


def all_cores(run_folder: Path) -> float:
    """Seconds to score a run again from nothing, on all cores."""
    from ttsbench.benchmark import Plan, score_run
    from ttsbench.store import Run

    shutil.rmtree(run_folder / "features")
    start = time.perf_counter()
    score_run(Run.open(run_folder), Plan(), lambda done, total, what: None)
    return time.perf_counter() - start


def command(folder: Path, out: Path) -> float:
    """Seconds of `ttsbench score`, start-up and page included."""
    truth = ["--system", "ground-truth", "--testset", f"folder={folder}"]
    words = [sys.executable, "-m", "ttsbench", "run", *truth, "--out", str(out)]
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1) or not (out / "report.html").exists():
        raise SystemExit(done.stderr)
    return seconds


def main() -> None:
    from ttsbench.store import Run

    folder = Path(sys.argv[1]).resolve()
    out = Path(tempfile.mkdtemp(prefix="ttsbench-"))
    try:
        whole = command(folder, out)
        again = command(folder, out)
        (run,) = (path.parent for path in out.glob("*/run.json"))
        speech = sum(row.seconds for row in Run.open(run).syntheses.values())
        many = all_cores(run)
        one = one_by_one(run)
        print(f"speech                     {speech:8.1f} s")
        print(f"one process, one by one    {one:8.1f} s")
        print(f"{os.cpu_count()} processes                {many:8.1f} s  = {one / many:.2f} times as fast")
        print(f"times real time            {speech / many:8.1f}")
        print(f"whole command, with page   {whole:8.1f} s")
        print(f"second run, from the cache {again:8.2f} s, start-up and page included")
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
