"""Questions put to the small KALL-E: how it samples, what test-time training does, whether voices are voices.

    python benchmarks/kalle.py sampling --limit 24
    python benchmarks/kalle.py test-time --samples 0 50 200 --lr 3e-5
    python benchmarks/kalle.py voices
    python benchmarks/kalle.py latents
    python benchmarks/kalle.py cost
    python benchmarks/kalle.py ablation --runs RUNS      # of: python -m ttsbench.systems.kalle.ablation CORPUS RUNS

Word errors by pocketsphinx (a blunt recogniser: look at differences), similarity by the GE2E encoder.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from speaking import RATE, SPEAKER, errors, features, line, rows_of, similarity, speak

from ttsbench import audio
from ttsbench.metrics.sim import cosine
from ttsbench.records import Sample
from ttsbench.systems.kalle.ablation import ROWS, Trained
from ttsbench.systems.kalle.adapt import TestTime
from ttsbench.systems.kalle.generate import Sampling
from ttsbench.systems.kalle.system import SAMPLING, System

TEXTS = ("The driver stopped the truck at the side of the road.", "Seven small boats came home before the storm.")


def sampling(samples: Sequence[Sample], temperatures: Sequence[float]) -> None:
    """What is decoded: the latent that was fed back, the mean, a fresh sample; at several temperatures."""
    for temperature in temperatures:
        line(f"fed, temperature {temperature}", System(sampling=replace(SAMPLING, temperature=temperature)), samples)
    line("mean decoded", System(sampling=replace(SAMPLING, emit="mean")), samples)
    fresh = replace(SAMPLING, emit="resample", emit_temperature=SAMPLING.temperature)
    line("fresh sample decoded", System(sampling=fresh), samples)
    line("as published (1.0, fresh sample)", System(sampling=Sampling(most=400)), samples)


def test_time(samples: Sequence[Sample], counts: Sequence[int], rate: float) -> None:
    """Before and after tuning to each prompt; what a row takes longer than with 0 samples is the tuning."""
    for count in counts:
        line(f"{count} samples, rate {rate:g}", System(test_time=TestTime(samples=count, lr=rate)), samples)


def voices(count: int) -> None:
    """Similarity of two sentences in one voice of the prior, against sentences in different ones; and sameness."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for voice in range(count):
            place = Path(folder) / str(voice)
            spoken = speak(System(voice=voice), [Sample(str(i), text) for i, text in enumerate(TEXTS)], place)
            found.append(features(SPEAKER, spoken.files))
    within = [cosine(a, b) for a, b in found]
    between = [cosine(one[0], other[1]) for one, other in itertools.permutations(found, 2)]
    once, again = (np.concatenate(list(System(voice=0).synthesize(Sample("0", TEXTS[0]), 0))) for _ in range(2))
    print(
        f"{count} voices: within {np.mean(within):.3f} (lowest {min(within):.3f}), between {np.mean(between):.3f} "
        f"(highest {max(between):.3f}); the stored seed gives the same samples: {np.array_equal(once, again)}"
    )


def latents(samples: Sequence[Sample]) -> None:
    """What the trained latents hold, without a language model: fewer principal directions, every second frame."""
    system = System()
    recordings = [torch.from_numpy(audio.read_at(s.truth, RATE))[None] for s in samples if s.truth]
    means = [system.model.standardise(*system._posterior(sound))[0] for sound in recordings]
    everything = torch.cat([mean[0] for mean in means])
    centre = everything.mean(dim=0)
    directions = torch.linalg.svd(everything - centre, full_matrices=False)[2]

    def show(name: str, changed: Sequence[torch.Tensor]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.wav" for number in range(len(changed))]
            for file, latent in zip(files, changed, strict=True):
                with torch.no_grad():
                    audio.write(file, system.codec.decode(system.model.restore(latent))[0].numpy(), RATE)
            own = similarity(files, samples)[0]
            print(f"{name:32s} WER {errors(files, samples):5.1f} %  SIM own {own:.3f}", flush=True)

    for kept in (directions.shape[1], 48, 24, 12):
        axes = directions[:kept]
        show(f"{kept} directions", [(mean - centre) @ axes.T @ axes + centre for mean in means])
    halved = [torch.nn.functional.interpolate(m[:, ::2].mT, m.shape[1], mode="linear").mT for m in means]
    show("every second frame, interpolated", halved)
    line("the language model", system, samples)


def ablation(samples: Sequence[Sample], runs: Path) -> None:
    for name in ROWS:
        if (runs / name / "kalle.safetensors").is_file():
            line(name, Trained(runs, name), samples)
        else:
            print(f"{name:32s} not trained: {runs / name / 'kalle.safetensors'} is not there")


def cost(samples: Sequence[Sample]) -> None:
    system = System()
    with tempfile.TemporaryDirectory() as folder:
        speak(system, samples[:1], Path(folder))
        spoken = speak(system, samples, Path(folder))
    print(
        f"RTF {spoken.took.sum() / spoken.length.sum():.3f}; first chunk after {1000 * np.median(spoken.first):.0f} ms "
        f"(median, largest {1000 * spoken.first.max():.0f}), audible after {1000 * np.median(spoken.audible):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sampling", "test-time", "voices", "latents", "cost", "ablation"))
    parser.add_argument("--testset", default="seed-mini")
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--temperatures", type=float, nargs="*", default=(0.2, 0.4, 0.7))
    parser.add_argument("--samples", type=int, nargs="*", default=(0, 50, 200))
    parser.add_argument("--lr", type=float, default=3e-5)
    parser.add_argument("--runs", type=Path, default=Path("runs/kalle-ablation"))
    parser.add_argument("--voices", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples = rows_of(options.testset, options.limit)
    if options.what == "sampling":
        sampling(samples, options.temperatures)
    elif options.what == "test-time":
        test_time(samples, options.samples, options.lr)
    elif options.what == "voices":
        voices(options.voices)
    elif options.what == "latents":
        latents(samples)
    elif options.what == "ablation":
        ablation(samples, options.runs)
    else:
        cost(samples)


if __name__ == "__main__":
    main()
