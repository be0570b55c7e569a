"""The paper's ablation in small: lambda 0 / 0.05 / 0.1, with and without p_max, 1 / 2 / 4 groups; and the other codec.

    python -m ttsbench.systems.livespeech.ablation CORPUS OUT --steps 1200

Trains one small model per row, everything else equal, and prints what teacher forcing shows: nats per codebook, the
guided head's hits, parameters. For WER, SIM, RTF and latency, put a row's `livespeech.safetensors` into a folder with
the codec's files, set TTSBENCH_CHECKPOINTS to it, and let `ttsbench run --system livespeech` speak and score.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttsbench.systems.livespeech.train import SMALL_RECIPE, Recipe, small
from ttsbench.systems.training.trainer import read_log

RVQ = {"codec": "rvq", "codebooks": (1024,) * 8, "digits": ()}
ROWS: dict[str, dict[str, Any]] = {
    "lambda-0": {"strength": 0.0, "groups": 1},
    "lambda-0.05": {"strength": 0.05, "groups": 1},
    "lambda-0.1": {"strength": 0.1, "groups": 1},
    "lambda-0.1-pmax-0.5": {"strength": 0.1, "p_max": 0.5, "groups": 1},
    "groups-2": {"strength": 0.05, "groups": 2},
    "groups-4": {"strength": 0.05, "groups": 4},
    "groups-2-rvq": {"strength": 0.05, "groups": 2, **RVQ},
}


def recipe_of(row: str, steps: int, base: Recipe = SMALL_RECIPE) -> Recipe:
    """The small recipe with one row's changes, trained for so many steps."""
    change = ROWS[row]
    design = {name: change[name] for name in ("groups", "codebooks", "digits") if name in change}
    recipe = {name: change[name] for name in ("strength", "p_max", "codec") if name in change}
    settings = replace(base.settings, steps=steps)
    return replace(base, design=replace(base.design, **design), settings=settings, **recipe)


def last_figures(folder: Path) -> dict[str, float]:
    """The last held-out figures of a run, by name."""
    return {row["name"]: float(row["value"]) for row in read_log(folder) if row["name"].startswith("eval_")}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ttsbench.systems.livespeech.ablation", description=__doc__)
    parser.add_argument("corpus", type=Path, help="a corpus folder with codes")
    parser.add_argument("out", type=Path, help="where the runs go, a folder per row")
    parser.add_argument("--steps", type=int, default=1200, help="of each row's training (default: 1200)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these rows")
    options = parser.parse_args(arguments)
    table = csv.writer(sys.stdout)
    table.writerow(["row", "parameters", "nats", "first codebook", "last codebook", "guided head's hits"])
    for row in options.rows:
        model = small(options.corpus, options.out / row, recipe_of(row, options.steps), say=lambda line: None)
        found = last_figures(options.out / row)
        figures = [found.get(f"eval_{name}") for name in ("nats", "first", "last", "hits")]
        table.writerow([row, sum(p.numel() for p in model.parameters()), *figures])
    return 0


if __name__ == "__main__":
    sys.exit(main())
