"""What is cloned of recorded voices: a system speaks two sentences after each voice's prompt.

    D=../shared/data; python benchmarks/real_voices.py mobilespeech $D/librispeech-test-other/* $D/training/kathleen

A folder is a voice: its first recording is the prompt, its second one shows how alike the voice is to itself. Cosines
are GE2E's, to the prompt: of another recording, of the prompt after the system's codec, of what was spoken, and of what
was spoken to the prompts of the other voices. f0 is the median in Hz, its spread the interquartile range in semitones.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from speaking import RATE, SPEAKER, features

from ttsbench import audio, systems
from ttsbench.columns import table
from ttsbench.metrics.sim import cosine
from ttsbench.records import Feature, Sample

TEXTS = ("The train to the coast leaves at seven in the morning.", "Our neighbors have a dog and two small cats.")


def pitch(samples: np.ndarray) -> tuple[float, float]:
    """Median f0 in Hz of voiced frames, and the distance of its quartiles in semitones."""
    import pyworld

    f0, _ = pyworld.dio(samples.astype(np.float64), RATE, f0_floor=60, f0_ceil=400)
    low, middle, high = np.quantile(f0[f0 > 0], (0.25, 0.5, 0.75)) if (f0 > 0).any() else (1.0, 0.0, 1.0)
    return float(middle), float(12 * np.log2(high / low))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/real-voices"))
    options = parser.parse_args()
    system: Any = systems.load(options.system)

    def vector(path: Path) -> Feature:
        return features(SPEAKER, [path])[0]

    def kept(name: str, samples: np.ndarray) -> Path:
        options.out.mkdir(parents=True, exist_ok=True)
        audio.write(options.out / f"{name}.flac", samples, RATE)
        return options.out / f"{name}.flac"

    recordings = {
        folder.name: sorted(p for p in folder.iterdir() if p.suffix in (".flac", ".opus", ".wav"))[:20]
        for folder in options.folders
        if folder.is_dir()
    }
    prompts = {name: vector(paths[0]) for name, paths in recordings.items()}
    rows = []
    for name, paths in recordings.items():
        other = next((path for path in paths if path.stem[:11] != paths[0].stem[:11]), paths[1])
        heard = audio.read_at(paths[0], RATE)
        again = kept(f"{name}-codec", system.resynthesize(heard[: 10 * RATE], RATE))
        spoken = []
        for number, text in enumerate(TEXTS):
            pieces = list(system.synthesize(Sample(name, text, prompt=paths[0]), number))
            spoken.append(kept(f"{name}-{number}", np.concatenate(pieces)))
        made = [vector(path) for path in spoken]
        others = [cosine(v, prompts[o]) for v, o in itertools.product(made, prompts) if o != name]
        f0 = [pitch(heard), pitch(np.concatenate([audio.read_at(path, RATE) for path in spoken]))]
        rows.append({
            "voice": name, "another recording": f"{cosine(vector(other), prompts[name]):.3f}",
            "codec": f"{cosine(vector(again), prompts[name]):.3f}",
            "spoken": f"{np.mean([cosine(v, prompts[name]) for v in made]):.3f}", "to others": f"{np.mean(others):.3f}",
            "f0 prompt": f"{f0[0][0]:.0f}", "f0 spoken": f"{f0[1][0]:.0f}",
            "spread prompt": f"{f0[0][1]:.1f}", "spread spoken": f"{f0[1][1]:.1f}",
        })  # fmt: skip
    print(table(rows))


if __name__ == "__main__":
    main()
