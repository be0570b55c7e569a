"""Train-time scaling of small Llasa: three model sizes x three shares of the corpus, the same recipe and steps.

    python benchmarks/llasa_grid.py build/corpus --steps 3000 --rows 24 --out runs/llasa-grid

Every cell is trained, then speaks rows spread over seed-mini by direct sampling; word errors by the embedded
recogniser, cosine by the embedded speaker model. A cell that has its checkpoint is not trained again, and training goes
on where it was. One run a cell: differences within a few points are noise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ttsbench import testsets
from ttsbench.columns import table
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.llasa.system import System
from ttsbench.systems.llasa.train import SMALL, small
from ttsbench.systems.scaling import sweep as scaling
from ttsbench.systems.training.trainer import read_log

sys.path.insert(0, str(Path(__file__).parent))
from voices import Judge, spoken

SIZES = {"1": (128, 4), "2": (192, 5), "3": (256, 6)}  # width and layers; the third is what ships
SHARES = {"1/3": 1 / 3, "2/3": 2 / 3, "3/3": 1.0}
CODEC = ("codec-fsq.safetensors", "vocoder.safetensors")


def cell(corpus: Path, folder: Path, dim: int, layers: int, share: float, steps: int) -> System:
    """The trained system of one cell."""
    if not (folder / "llasa.safetensors").is_file():
        settings = replace(SMALL.settings, steps=steps, minutes=None)
        small(corpus, folder, replace(SMALL, settings=settings, dim=dim, layers=layers, share=share))
    for name in CODEC:
        shutil.copyfile(checkpoints() / name, folder / name)
    return System(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path("runs/llasa-grid"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    every = testsets.load("seed-mini").samples
    judge, lines = Judge(every), []
    for size, (dim, layers) in SIZES.items():
        for name, share in SHARES.items():
            place = options.out / f"size-{size}-share-{name[0]}"
            system = cell(options.corpus, place, dim, layers, share, options.steps)
            rates, own = [], []
            for sample in scaling.spread(every, options.rows):
                try:
                    row = spoken("audio", sample, place, system)
                    row |= judge.row(sample, Path(row["path"]))
                except Exception as fault:  # noise, or nothing at all: every word is missing, and there is no voice
                    print(f"{place.name}: {sample.id}: {type(fault).__name__}: {fault}")
                    rates.append(1.0)
                    continue
                errors = sum(row[kind] for kind in ("substitutions", "deletions", "insertions"))
                rates.append(errors / row["words"])
                own.append(row["own"])
            held_out = [float(row["value"]) for row in read_log(place) if row["name"] == "eval_nats"]
            parameters = sum(p.numel() for p in system.model.parameters()) / 1e6
            lines.append({
                "parameters M": f"{parameters:.1f}", "corpus": name, "steps": str(options.steps),
                "held-out nats": f"{held_out[-1]:.3f}",
                "WER %": f"{100 * np.mean(rates):.1f}", "SIM-o": f"{np.mean(own):.3f}" if own else "-",
                "rows": str(len(rates)),
            })  # fmt: skip
            (options.out / "grid.json").write_text(json.dumps(lines, indent=1), encoding="utf-8")
    print(table(lines))


if __name__ == "__main__":
    main()
