"""Natural synthetic speech of one voice for training, fast: hibari says English sentences, over 100 times real time.

    pip install hibari-tts==0.2.1
    python -m ttsbench.systems.corpus.hibari --out hibari [--hours 1]

OUT/wavs/ID.flac (16 kHz, mono) and OUT/manifest.jsonl as `natural` writes them, without ends (an aligner finds them),
and `warp`: `build` makes pitch and formants so many times higher: nine speakers of one. The voice is Kokoro's af_heart.
Killed, it goes on. Sentences are those of `natural`, in another order; test sets' ones are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio import resample, write
from ttsbench.errors import UserError
from ttsbench.systems.corpus.natural import plain, test_sentences, whole_rows
from ttsbench.systems.corpus.sentences import generated, quotations
from ttsbench.systems.text.dictionary import dictionary

RATE = 16000
WARPS = (0.76, 0.82, 0.88, 0.94, 1.0, 1.06, 1.12, 1.18, 1.24)
SEED = 23


def make(folder: Path, hours: float) -> None:
    """Speak until there are `hours` of speech. UserError where the package is missing."""
    model = _model()
    rng = np.random.default_rng(SEED)
    texts = [text for text in quotations(frozenset(dictionary())) if 5 <= len(text.split()) <= 20]
    texts += generated(rng, len(texts) // 3 or 4000)
    refused = test_sentences()
    rows = whole_rows(folder / "manifest.jsonl")
    done, seconds = {row["id"] for row in rows}, sum(row["seconds"] for row in rows)
    (folder / "wavs").mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as file:
        for number, place in enumerate(rng.permutation(len(texts))):
            key, text, warp = f"hibari-{number:05d}", texts[place], WARPS[number % len(WARPS)]
            if seconds >= 3600 * hours:
                break
            if key in done or plain(text) in refused:
                continue
            speed = float(np.random.default_rng(number).uniform(0.9, 1.15)) / warp  # the warp makes up for it
            said = np.asarray(model(text, speed=speed, seed=number))
            samples = resample(said.astype(np.float32), 24000, RATE)
            if samples.size < RATE // 2:
                continue
            write(folder / "wavs" / f"{key}.flac", samples, RATE)
            row = {"id": key, "language": "en", "voice": "heart", "text": text, "warp": warp}
            file.write(json.dumps(row | {"seconds": round(samples.size / RATE, 3)}) + "\n")
            seconds += samples.size / RATE


def _model() -> Any:
    try:
        from hibari import Hibari
    except ImportError as fault:
        raise UserError("hibari speaks through its package: pip install hibari-tts==0.2.1") from fault
    return Hibari()


def main(arguments: list[str]) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description="natural synthetic speech of one voice for training")
    parser.add_argument("--out", type=Path, required=True, help="a folder called hibari")
    parser.add_argument("--hours", type=float, default=1.0)
    given = parser.parse_args(arguments)
    make(given.out, given.hours)


if __name__ == "__main__":
    main(sys.argv[1:])
