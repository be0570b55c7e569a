"""Kill `ttsbench score` with SIGKILL at random moments, resume each time, compare with an uninterrupted run.

    python benchmarks/kill_and_resume.py ../shared/data/librispeech-test-other --kills 10 --limit 12

Prints one line a kill and whether scores/ came out equal byte for byte. Exits 1 where they differ.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def score(folder: Path, out: Path, limit: int) -> subprocess.Popen[bytes]:
    """Start scoring in a process group of its own."""
    words = [sys.executable, "-m", "ttsbench", "score", str(folder), "--testset", f"folder={folder}"]
    words += ["--out", str(out), "--limit", str(limit)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def scores(out: Path) -> dict[str, bytes]:
    """Every file under a scores/ folder, by its path within `out`."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.glob("*/scores/**/*.json*"))}


def lines(out: Path) -> int:
    """Rows and features on disk so far."""
    files = [*out.glob("*/features/*.jsonl"), *out.glob("*/synth.jsonl")]
    return sum(path.read_bytes().count(b"\n") for path in files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = options.folder.resolve()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
        whole, torn = Path(place, "whole"), Path(place, "torn")
        start = time.perf_counter()
        score(folder, whole, options.limit).wait()
        span = time.perf_counter() - start
        print(f"uninterrupted: {span:.1f} s, {lines(whole)} rows and features")
        for kill in range(1, options.kills + 1):
            child = score(folder, torn, options.limit)
            wait = dice.uniform(0.1, 0.9) * span / 2
            try:
                child.wait(wait)
                print(f"kill {kill}: it had finished after {wait:.1f} s")
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                print(f"kill {kill}: after {wait:.1f} s, {lines(torn)} rows and features kept")
        score(folder, torn, options.limit).wait()
        same = scores(whole) == scores(torn) and bool(scores(whole))
        print(f"{len(scores(whole))} files in scores/, equal byte for byte: {same}; rows and features: {lines(torn)}")
        return 0 if same and lines(whole) == lines(torn) else 1


if __name__ == "__main__":
    sys.exit(main())
