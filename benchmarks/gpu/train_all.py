"""Vocoder and the four systems, trained side by side in one command on one GPU.

Here, once (the corpus, its codes and the recordings that it was made of are here):

    python benchmarks/gpu/train_all.py pack --corpus CORPUS --real DATA --out build/pack
    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \\
        --platform manylinux2014_x86_64 -d build/wheels soundfile soxr msgspec num2words docopt pypinyin rapidfuzz cffi
    python benchmarks/gpu/train_all.py away        # tracked checkpoints out of the work tree; back: git checkout

There (only the work tree, build/pack and build/wheels travel):

    python3 -m pip install -q --no-index --no-deps --target /tmp/site build/wheels/*.whl
    export PYTHONPATH=/tmp/site:$PWD
    python3 benchmarks/gpu/train_all.py train --pack build/pack --out $OUT --device cuda --minutes 8.5

Each training is a process of its own, all at once: small models leave a large GPU idle most of the time, and none needs
another's result. Weights come back in OUT, one file each, below 16 MiB, as systems read them; log.csv holds all losses.
On a CPU they run one after the other: `rehearse` does it all with a corpus of noise and two steps each.
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

from ttsbench.systems import packing
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.training.log import read_log

ROOT = Path(__file__).resolve().parents[2]
WHAT = ("vocoder", "mobilespeech", "kalle", "livespeech", "llasa")
MOST = 16 * 2**20  # bytes of a file that comes back


def commands(pack: Path, work: Path, device: str, limit: list[str]) -> dict[str, list[str]]:
    """By name, the command of each training."""
    train = [sys.executable, "-m", "ttsbench", "train"]
    common = ["--out", str(work / "runs"), "--device", device, *limit]
    found = {what: [*train, what, "--corpus", str(work / "corpus"), "--listen", "0", *common] for what in WHAT}
    found["vocoder"] = [*train, "vocoder", "--corpus", str(work / "recordings"), "--start", str(pack), *common]
    return found


def run(orders: dict[str, list[str]], pack: Path, work: Path, together: bool) -> dict[str, int]:
    """Exit status of each; what they say goes to WORK/NAME.txt. `together`: all at once, else in turn."""
    environment = {**os.environ, "TTSBENCH_CHECKPOINTS": str(pack), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    started: dict[str, subprocess.Popen[bytes]] = {}
    status = {}
    for name, order in orders.items():
        began = time.monotonic()
        with (work / f"{name}.txt").open("wb") as file:
            started[name] = subprocess.Popen(order, stdout=file, stderr=subprocess.STDOUT, env=environment)
        if not together:
            status[name] = started[name].wait()
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    status |= {name: process.wait() for name, process in started.items()}
    for name, code in status.items():
        if code:
            print(f"{name}: ended with {code}:\n{(work / f'{name}.txt').read_text(errors='replace')[-2000:]}")
    return status


def brought_back(work: Path, out: Path) -> list[Path]:
    """Weights and losses of the runs below WORK, put into OUT. ValueError where a file is too large to travel."""
    from safetensors.torch import load_file

    out.mkdir(parents=True, exist_ok=True)
    vocoder = work / "runs" / "vocoder" / "vocoder.safetensors"
    if vocoder.is_file():
        packing.save(load_file(vocoder), out / "vocoder.safetensors")
    for name in WHAT[1:]:
        path = work / "runs" / "checkpoints" / f"{name}.safetensors"
        if path.is_file():
            shutil.copy(path, out)
    with (out / "log.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("what", "step", "minutes", "name", "value"))
        for name in WHAT:
            rows = read_log(work / "runs" / name)
            writer.writerows((name, row["step"], row["minutes"], row["name"], row["value"]) for row in rows)
    found = sorted(out.iterdir())
    large = [path.name for path in found if path.stat().st_size > MOST]
    if large:
        raise ValueError(f"{out}: {', '.join(large)} above {MOST >> 20} MiB")
    return found


def train(pack: Path, out: Path, device: str, limit: list[str], work: Path) -> int:
    """Unpack, train, bring back; returns how many trainings failed."""
    began = time.monotonic()
    packed.unpack(pack, work, device)
    print(f"unpacked after {time.monotonic() - began:.0f} s", flush=True)
    status = run(commands(pack, work, device, limit), pack, work, together=device != "cpu")
    for path in brought_back(work, out):
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")
    print(f"{time.monotonic() - began:.0f} s in all; failed: {sum(map(bool, status.values()))}")
    return sum(map(bool, status.values()))


def rehearse(out: Path) -> int:
    """All of it on the CPU with a corpus of noise: pack, unpack, two steps of each training, weights back."""
    with tempfile.TemporaryDirectory(prefix="ttsbench-rehearsal-") as folder:
        place = Path(folder)
        packed.toy(place / "corpus", place / "real")
        sizes = packed.write(place / "corpus", place / "real", place / "pack", checkpoints())
        print(json.dumps(sizes))
        (place / "work").mkdir()
        return train(place / "pack", out, "cpu", ["--steps", "2"], place / "work")


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
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"), help="pack: with codes-fsq (train codes)")
    parser.add_argument("--real", type=Path, help="pack: the recordings that the corpus was made of")
    parser.add_argument("--pack", type=Path, default=Path("build/pack"))
    parser.add_argument("--out", type=Path, default=Path("build/pack"))
    parser.add_argument("--mib", type=float, default=46.0, help="pack: at most so large (46)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.5, help="train: of each (8.5)")
    given = parser.parse_args()
    if given.do == "pack":
        print(json.dumps(packed.write(given.corpus, given.real, given.out, checkpoints(), given.mib)))
    elif given.do == "away":
        away()
    elif given.do == "rehearse":
        return rehearse(given.out)
    else:
        work = Path(tempfile.mkdtemp(prefix="ttsbench-train-all-"))
        return train(given.pack, given.out, given.device, ["--minutes", str(given.minutes)], work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
