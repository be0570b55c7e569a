"""Questions put to the small KALL-E: how it samples, what test-time training does, whether voices are voices.

    python benchmarks/kalle.py sampling --testset seed-mini --limit 24
    python benchmarks/kalle.py test-time --samples 0 50 200 --lr 3e-5
    python benchmarks/kalle.py voices
    python benchmarks/kalle.py cost

Word errors by pocketsphinx (a blunt recogniser: look at differences), similarity by the GE2E encoder.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ttsbench import audio, metrics, testsets
from ttsbench.metrics.sim import cosine
from ttsbench.records import Request, Sample
from ttsbench.systems.kalle.adapt import TestTime
from ttsbench.systems.kalle.generate import Sampling
from ttsbench.systems.kalle.system import SAMPLING, System

TEXTS = ("The driver stopped the truck at the side of the road.", "Seven small boats came home before the storm.")


def speak(system: System, samples: Sequence[Sample], folder: Path) -> tuple[list[Path], float, float]:
    """Files, seconds of speech, seconds it took."""
    files, length, began = [], 0.0, time.perf_counter()
    for number, sample in enumerate(samples):
        sound = np.concatenate(list(system.synthesize(sample, number)))
        length += len(sound) / 16000
        files.append(folder / f"{number}.wav")
        audio.write(files[-1], sound, 16000)
    return files, length, time.perf_counter() - began


def errors(files: Sequence[Path], samples: Sequence[Sample]) -> float:
    """Corpus word error rate in %."""
    import jiwer

    heard = metrics.extractor("recognisers.pocketsphinx").load({}, "cpu")(
        [Request("recognisers.pocketsphinx", file) for file in files]
    )
    clean = [" ".join("".join(c for c in s.text.lower() if c.isalnum() or c in "' ").split()) for s in samples]
    return 100 * jiwer.wer(clean, [str(feature.value.get("text", "")) for feature in heard])


def vectors(files: Sequence[Path]) -> list:
    return metrics.extractor("speakers.ge2e").load({}, "cpu")([Request("speakers.ge2e", file) for file in files])


def row(name: str, system: System, samples: Sequence[Sample]) -> None:
    """One line of a table: WER, similarity to the prompt, length against the truth, real-time factor."""
    with tempfile.TemporaryDirectory() as folder:
        files, length, took = speak(system, samples, Path(folder))
        prompts = [sample.prompt for sample in samples if sample.prompt]
        sims = [cosine(a, b) for a, b in zip(vectors(files), vectors(prompts), strict=True)]
        true = sum(len(audio.read_at(sample.truth, 16000)) / 16000 for sample in samples if sample.truth)
        print(
            f"{name:34s} WER {errors(files, samples):5.1f} %  SIM {np.mean(sims):.3f}  "
            f"length {length / max(true, 1e-9):.2f} of the truth  RTF {took / length:.3f}",
            flush=True,
        )


def sampling(samples: Sequence[Sample], temperatures: Sequence[float]) -> None:
    for temperature in temperatures:
        row(f"fed, temperature {temperature}", System(sampling=replace(SAMPLING, temperature=temperature)), samples)
    row("mean decoded", System(sampling=replace(SAMPLING, emit="mean")), samples)
    fresh = replace(SAMPLING, emit="resample", emit_temperature=SAMPLING.temperature)
    row("fresh sample decoded", System(sampling=fresh), samples)
    row("as published (1.0, fresh sample)", System(sampling=Sampling(most=400)), samples)


def test_time(samples: Sequence[Sample], counts: Sequence[int], lr: float) -> None:
    for count in counts:
        row(f"{count} samples, rate {lr:g}", System(test_time=TestTime(samples=count, lr=lr)), samples)


def voices(count: int) -> None:
    """Similarity of two sentences in one voice of the prior, against sentences in different ones."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for voice in range(count):
            system = System(voice=voice)
            place = Path(folder) / str(voice)
            files, _, _ = speak(system, [Sample(str(i), text) for i, text in enumerate(TEXTS)], place)
            found.append(vectors(files))
    within = [cosine(a, b) for a, b in found]
    between = [cosine(one[0], other[1]) for one, other in itertools.permutations(found, 2)]
    print(f"{count} voices: within {np.mean(within):.3f}, between {np.mean(between):.3f}, highest {max(between):.3f}")


def cost(samples: Sequence[Sample]) -> None:
    system = System()
    list(system.synthesize(samples[0], 0))
    began = time.perf_counter()
    first = None
    length = 0
    for piece in system.synthesize(samples[0], 0):
        first = first or time.perf_counter() - began
        length += len(piece)
    took = time.perf_counter() - began
    print(f"first chunk after {1000 * (first or 0):.0f} ms; {length / 16000:.2f} s of speech in {took:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sampling", "test-time", "voices", "cost"))
    parser.add_argument("--testset", default="seed-mini")
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--temperatures", type=float, nargs="*", default=(0.2, 0.4, 0.7))
    parser.add_argument("--samples", type=int, nargs="*", default=(0, 50, 200))
    parser.add_argument("--lr", type=float, default=3e-5)
    parser.add_argument("--voices", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = testsets.load(options.testset).samples
    samples = rows[:: max(1, len(rows) // options.limit)][: options.limit]
    if options.what == "sampling":
        sampling(samples, options.temperatures)
    elif options.what == "test-time":
        test_time(samples, options.samples, options.lr)
    elif options.what == "voices":
        voices(options.voices)
    else:
        cost(samples)


if __name__ == "__main__":
    main()
