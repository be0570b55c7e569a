"""Questions put to the small LiveSpeech: latency in two ways, how it samples, what groups cost, what the ablation gave.

    python benchmarks/livespeech.py latency --limit 12
    python benchmarks/livespeech.py sampling --limit 24
    python benchmarks/livespeech.py groups
    python -m ttsbench.systems.livespeech.ablation CORPUS RUNS --steps 1200
    python benchmarks/livespeech.py ablation --runs RUNS

Word errors by pocketsphinx (a blunt recogniser: look at differences), similarity by the GE2E encoder.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from speaking import line, rows_of, speak

from ttsbench.records import Sample
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.livespeech.ablation import ROWS
from ttsbench.systems.livespeech.design import SMALL
from ttsbench.systems.livespeech.generate import Sampling, frames
from ttsbench.systems.livespeech.model import LiveSpeech
from ttsbench.systems.livespeech.system import SAMPLING, System

CODEC = ("codec-fsq.safetensors", "codec-rvq.safetensors", "vocoder.safetensors")


def formula(codebooks: int, factor: float, frame_rate: float) -> float:
    """The paper's latency in seconds: codebooks x RTF / frame rate, the steps before a first frame is whole."""
    return codebooks * factor / frame_rate


def latency(samples: Sequence[Sample]) -> None:
    """With the prompt's transcript (its codes go before) and without it; every prompt is read anew."""
    for name, rows in (
        ("prompt with transcript", list(samples)),
        ("prompt alone", [replace(sample, prompt_text="") for sample in samples]),
    ):
        system = System()
        with tempfile.TemporaryDirectory() as folder:
            speak(system, rows[:1], Path(folder))
            system.forget()
            spoken = speak(system, rows, Path(folder))
        factor = float(spoken.took.sum() / spoken.length.sum())
        print(
            f"{name:24s} RTF {factor:.3f}  formula {1000 * formula(SMALL.count, factor, SMALL.frame_rate):.0f} ms  "
            f"wall clock: first chunk {1000 * np.median(spoken.first):.0f} ms "
            f"(largest {1000 * spoken.first.max():.0f}), "
            f"first audible {1000 * np.median(spoken.audible):.0f} ms (largest {1000 * spoken.audible.max():.0f})",
            flush=True,
        )


def sampling(samples: Sequence[Sample]) -> None:
    """Guidance, temperature, and how many of the codebooks are drawn."""
    for guidance in (1.0, 1.5, 2.0, 3.0):
        line(f"guidance {guidance}", System(sampling=replace(SAMPLING, guidance=guidance)), samples)
    for temperature in (0.5, 0.8, 1.0):
        line(f"temperature {temperature}", System(sampling=replace(SAMPLING, temperature=temperature)), samples)
    for sampled in (1, 2, 8):
        line(f"{sampled} codebooks drawn", System(sampling=replace(SAMPLING, sampled=sampled)), samples)


def groups(seconds: float = 4.0) -> None:
    """Speed of the model alone, in frames of random weights: speed does not depend on what was learned."""
    for count in (1, 2, 4, 8):
        torch.manual_seed(0)
        design = replace(SMALL, groups=count)
        model = LiveSpeech(design).eval().fold()
        with torch.inference_mode():
            memory = model.remember(torch.zeros(1, 150, design.features), torch.ones(1, 40, dtype=torch.long))
        factors, firsts = [], []
        for _ in range(4):
            began = time.perf_counter()
            first = 0.0
            stream = frames(model, memory, 40, Sampling(end=1.0), torch.Generator().manual_seed(0))
            for _, _frame in zip(range(round(seconds * design.frame_rate)), stream, strict=False):
                first = first or time.perf_counter() - began
            factors.append((time.perf_counter() - began) / seconds)
            firsts.append(first)
        factor = float(np.median(factors[1:]))
        print(
            f"{count} groups  {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M  RTF of the model {factor:.3f}  "
            f"formula {1000 * formula(design.count, factor, design.frame_rate):.0f} ms  "
            f"first frame by wall clock {1000 * float(np.median(firsts[1:])):.0f} ms",
            flush=True,
        )


def ablation(samples: Sequence[Sample], runs: Path) -> None:
    """The rows that `ttsbench.systems.livespeech.ablation` trained into `runs`, spoken and scored."""
    for row in ROWS:
        weights = runs / row / "livespeech.safetensors"
        if not weights.is_file():
            print(f"{row:32s} not trained: {weights} is not there")
            continue
        with tempfile.TemporaryDirectory() as folder:
            for name in CODEC:  # and none of the shipped model's increments
                shutil.copy(checkpoints() / name, folder)
            shutil.copy(weights, folder)
            spoken = line(row, System(Path(folder)), samples)
        factor = float(spoken.took.sum() / spoken.length.sum())
        print(f"{'':32s} latency by the formula {1000 * formula(SMALL.count, factor, SMALL.frame_rate):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("latency", "sampling", "groups", "ablation"))
    parser.add_argument("--testset", default="seed-mini")
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--runs", type=Path, default=Path("runs/livespeech-ablation"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples = rows_of(options.testset, options.limit)
    if options.what == "latency":
        latency(samples)
    elif options.what == "sampling":
        sampling(samples)
    elif options.what == "groups":
        groups()
    else:
        ablation(samples, options.runs)


if __name__ == "__main__":
    main()
