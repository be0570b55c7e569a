"""Codecs and vocoder, then the four systems, trained in one command each on one GPU.

Here (DATA: the recordings that the corpus is made of; CORPUS: with the codes of the codecs of the first call):

    python benchmarks/gpu/train_all.py pack --real DATA        # for codecs and vocoder
    python benchmarks/gpu/train_all.py pack --corpus CORPUS    # for the systems
    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux2014_x86_64 -d build/wheels soundfile soxr msgspec num2words docopt pypinyin rapidfuzz cffi
    python benchmarks/gpu/train_all.py away        # tracked checkpoints out of the work tree; back: git checkout

There (only the work tree, build/pack and build/wheels travel):

    python3 -m pip install -q --no-index --no-deps --target /tmp/site build/wheels/*.whl
    export PYTHONPATH=/tmp/site:$PWD
    python3 benchmarks/gpu/train_all.py train --pack build/pack --out $OUT --device cuda --minutes 8.5

Codecs and vocoder learn side by side, each against critics, then decoders and vocoder together. The systems are trained
side by side: small models leave a large GPU idle most of the time, and none needs another's result. Weights come back
in OUT, one file each, below 16 MiB, as systems read them; log.csv holds all losses.
`rehearse` does it all with a corpus of noise and a few steps each; on a CPU, one after the other.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import packed

from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.training.log import read_log

ROOT = Path(__file__).resolve().parents[2]
CODECS, SYSTEMS = ("vocoder", "fsq", "flowvae"), ("mobilespeech", "kalle", "livespeech", "llasa")
APART = 0.55  # of the time of codecs and vocoder: what each of them learns alone
AROUND, LATE = 25.0, 40.0  # seconds that a training takes to start and to end; it is stopped when it is so much later
MOST = 16 * 2**20  # bytes of a file that comes back


def limits(device: str, seconds: float, steps: int | None) -> list[str]:
    """Arguments that say where `ttsbench train` runs and when it ends."""
    end = ["--steps", str(steps)] if steps else ["--minutes", f"{(seconds - AROUND) / 60:.2f}"]
    return ["--device", device, "--listen", "0", *end]


def commands(whats: tuple[str, ...], corpus: Path, work: Path, limit: list[str]) -> dict[str, list[str]]:
    """By name, the command of each training."""
    train = [sys.executable, "-m", "ttsbench", "train"]
    return {what: [*train, what, "--corpus", str(corpus), "--out", str(work / "runs"), *limit] for what in whats}


def train_codecs(pack: Path, work: Path, device: str, until: float, steps: int | None) -> dict[str, int]:
    """Each alone from the weights in `pack`, then decoders and vocoder together from where they came."""
    packed.unpack_recordings(pack, work)
    print("unpacked", flush=True)
    began = time.monotonic()
    first = began + APART * (until - began)
    apart = commands(CODECS, work / "corpus", work, [*limits(device, first - began, steps), "--start", str(pack)])
    status = run(apart, pack, work, first, together=device != "cpu")
    if any(status.values()):
        return status
    runs, start = work / "runs", work / "start"
    start.mkdir()
    shutil.copy(runs / "vocoder" / "vocoder.safetensors", start)
    shutil.copy(runs / "vocoder" / "last.safetensors", start / "critics.safetensors")
    for name in CODECS[1:]:
        shutil.copy(runs / "checkpoints" / f"codec-{name}.safetensors", start)
    limit = [*limits(device, until - time.monotonic(), steps), "--start", str(start)]
    return status | run(commands(("decoders",), work / "corpus", work, limit), start, work, until, together=False)


def train_systems(pack: Path, work: Path, device: str, until: float, steps: int | None) -> dict[str, int]:
    """All four, each on its own."""
    packed.unpack_codes(pack, work, device)
    print("unpacked", flush=True)
    orders = commands(SYSTEMS, work / "corpus", work, limits(device, until - time.monotonic(), steps))
    return run(orders, pack, work, until, together=device != "cpu")


def run(orders: dict[str, list[str]], weights: Path, work: Path, until: float, together: bool) -> dict[str, int]:
    """Exit status of each; what they say goes to WORK/NAME.txt. `together`: all at once, else in turn.

    `until`: of the monotonic clock; what is `LATE` is stopped, so that the others' weights come back.
    """
    environment = {**os.environ, "TTSBENCH_CHECKPOINTS": str(weights), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    started: dict[str, subprocess.Popen[bytes]] = {}
    status = {}
    for name, order in orders.items():
        began = time.monotonic()
        with (work / f"{name}.txt").open("wb") as file:
            started[name] = subprocess.Popen(order, stdout=file, stderr=subprocess.STDOUT, env=environment)
        if not together:
            status[name] = _ended(started[name], until)
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    status |= {name: _ended(process, until) for name, process in started.items()}
    for name, code in status.items():
        if code:
            print(f"{name}: ended with {code}:\n{(work / f'{name}.txt').read_text(errors='replace')[-2000:]}")
    return status


def _ended(process: subprocess.Popen[bytes], until: float) -> int:
    try:
        return process.wait(max(1.0, until + LATE - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def brought_back(work: Path, out: Path) -> list[Path]:
    """Weights and losses of the runs below WORK, put into OUT. ValueError where a file is too large to travel."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((work / "runs" / "checkpoints").glob("*.safetensors")):
        shutil.copy(path, out)
    with (out / "log.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("what", "step", "minutes", "name", "value"))
        for folder in sorted(path.parent for path in (work / "runs").glob("*/log.csv")):
            rows = read_log(folder)
            writer.writerows((folder.name, row["step"], row["minutes"], row["name"], row["value"]) for row in rows)
    found = sorted(out.iterdir())
    large = [path.name for path in found if path.stat().st_size > MOST]
    if large:
        raise ValueError(f"{out}: {', '.join(large)} above {MOST >> 20} MiB")
    return found


def train(pack: Path, out: Path, work: Path, device: str, minutes: float, steps: int | None = None) -> int:
    """Unpack, train what the pack is for, bring back, in `minutes`; returns how many trainings failed."""
    began = time.monotonic()
    training = train_codecs if (pack / "recordings").is_dir() else train_systems
    status = training(pack, work, device, began + 60 * minutes, steps)
    for path in brought_back(work, out):
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")
    print(f"{time.monotonic() - began:.0f} s in all; failed: {sum(map(bool, status.values()))}", flush=True)
    return sum(map(bool, status.values()))


def rehearse(out: Path, device: str, steps: int) -> int:
    """Everything with a corpus of noise and untrained codecs, so many steps of each training; returns what failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ttsbench-rehearsal-") as folder:
        place = Path(folder)
        packed.toy(place / "toy", place / "real", place / "weights")
        print(json.dumps(packed.write_recordings(place / "real", place / "recordings", place / "weights")))
        print(json.dumps(packed.write_codes(place / "toy", place / "codes", place / "weights")))
        for part in ("recordings", "codes"):
            work = place / f"work-{part}"
            failed += train(place / part, out / part, work, device, 30.0, steps)
    return failed


def away() -> None:
    """Remove tracked checkpoints from the work tree: `git checkout systems/checkpoints` brings them back."""
    for path in sorted((ROOT / "systems" / "checkpoints").glob("*.safetensors")):
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", str(path)], cwd=ROOT, check=False).returncode
        if changed:
            raise SystemExit(f"{path}: not as in git; commit it or move it yourself")
        path.unlink()
    print("systems/checkpoints is empty; back with: git checkout systems/checkpoints")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("pack", "away", "train", "rehearse"))
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--real", type=Path, help="pack: the recordings, for codecs and vocoder")
    given.add_argument("--corpus", type=Path, help="pack: the corpus with codes-fsq (train codes), for the systems")
    parser.add_argument("--pack", type=Path, default=Path("build/pack"), help="the pack's folder (build/pack)")
    parser.add_argument("--out", type=Path, default=Path("build/trained"), help="where weights go (build/trained)")
    parser.add_argument("--mib", type=float, default=46.0, help="pack: at most so large (46)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.5, help="train: of everything, unpacking too (8.5)")
    parser.add_argument("--steps", type=int, default=2, help="rehearse: of each (2)")
    options = parser.parse_args()
    if options.do == "pack":
        if options.real is None and options.corpus is None:
            parser.error("pack: give --real or --corpus")
        write = packed.write_recordings if options.real else packed.write_codes
        print(json.dumps(write(options.real or options.corpus, options.pack, checkpoints(), options.mib)))
    elif options.do == "away":
        away()
    elif options.do == "rehearse":
        return rehearse(options.out, options.device, options.steps)
    else:
        work = Path(tempfile.mkdtemp(prefix="ttsbench-train-all-"))
        return train(options.pack, options.out, work, options.device, options.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
