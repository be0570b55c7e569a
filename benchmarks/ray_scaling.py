"""Scoring a finished run on 1, 2 and 4 Ray workers: the same rows, from nothing each time.

    python benchmarks/ray_scaling.py ../shared/data/librispeech-test-other

Every worker asks for one core. On a machine with fewer cores than workers Ray is told that there are more, and the
workers then share them: past the number of cores the gain must stop, and the script says where that is.
Model loading in every worker is in the figures; the start of the cluster is not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="recordings, as for `ttsbench score`")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--limit", type=int, default=32, help="utterances (default: 32; 0 for all)")
    options = parser.parse_args()

    import ray

    from ttsbench import testsets
    from ttsbench.benchmark import Plan, limited, run_one, score_run

    out = Path(tempfile.mkdtemp(prefix="ttsbench-"))
    folder = options.folder.resolve()
    testset = limited(testsets.load(f"folder={folder}"), options.limit)
    plan = Plan(out=out)

    def silent(done: int, total: int, what: str) -> None:
        """No progress: only the clock matters here."""

    try:
        run = run_one("ground-truth", testset, plan, silent)
        speech = sum(row.seconds for row in run.syntheses.values())
        print(f"{len(testset.samples)} utterances, {speech:.0f} s of speech, {os.cpu_count()} cores")
        alone = 0.0
        for workers in options.workers:
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
            shutil.rmtree(run.path / "features")
            start = time.perf_counter()
            score_run(run, Plan(out=out, ray=""), silent)
            seconds = time.perf_counter() - start
            ray.shutdown()
            alone = alone or seconds * workers / options.workers[0]
            over = " (more workers than cores: they take turns)" if workers > (os.cpu_count() or 1) else ""
            print(f"{workers} workers {seconds:8.1f} s {speech / seconds:6.1f} times real time "
                  f"{alone / seconds:5.2f} times one worker{over}", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
