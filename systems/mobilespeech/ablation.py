"""The ablation that needs trainings: this model's mask sampler against SoundStorm's plain one.

    python -m ttsbench.systems.mobilespeech.ablation CORPUS OUT --steps 600
    python benchmarks/voices.py --rows 36 OUT/own-masks.toml OUT/plain-masks.toml

Trains one small model with each sampler, everything else equal, and writes a card for each. The other ablations are
cards in `ablations/`: they ask the shipped weights to speak in another way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench.systems.mobilespeech.design import SMALL, SMALL_PLAIN
from ttsbench.systems.mobilespeech.train import SETTINGS, fit, save

SAMPLERS = {"own-masks": SMALL, "plain-masks": SMALL_PLAIN}


def card(name: str, checkpoint: Path) -> str:
    """The card of a system that speaks with `checkpoint`, a path without its .safetensors."""
    return (
        f'name = "mobilespeech-{name}"\nadapter = "python"\n'
        'source = "ttsbench.systems.mobilespeech.system:System"\n'
        f"arguments = {{checkpoint = {json.dumps(str(checkpoint))}}}\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ttsbench.systems.mobilespeech.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path, help="a corpus folder with FSQ codes")
    parser.add_argument("out", type=Path, help="where runs, checkpoints and cards go")
    parser.add_argument("--steps", type=int, default=600, help="of each training (default: 600)")
    parser.add_argument("--only", choices=SAMPLERS, help="train this one alone")
    options = parser.parse_args(arguments)
    for name in [options.only] if options.only else SAMPLERS:
        design = SAMPLERS[name]
        settings = replace(SETTINGS, steps=options.steps)
        model = fit(options.corpus, options.out / name, settings, design=design)
        checkpoint = (options.out / f"mobilespeech-{name}").resolve()
        save(model, checkpoint.with_name(checkpoint.name + ".safetensors"), design, {"codec": "fsq"})
        (options.out / f"{name}.toml").write_text(card(name, checkpoint), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
