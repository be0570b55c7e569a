"""How far an aligner's phone ends are from those that a synthesiser used.

    python benchmarks/alignment.py --spoken kokoro [--rows 110] [--flite 40]

Compared are the ends of phones that both name, in the same place of their sequences (edit alignment), pocketsphinx's
against Kokoro's durations (as they are, then earlier by `spoken.LATE`) and against flite's. Row: sentences, those that
the aligner gives up, ends; median of the difference (true minus found), median and mean size, share in 20 and 50 ms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from ttsbench.audio import read_at
from ttsbench.columns import table
from ttsbench.systems.corpus import tokens
from ttsbench.systems.corpus.align import Marks, align
from ttsbench.systems.corpus.build import plan
from ttsbench.systems.corpus.spoken import LATE, rows_of
from ttsbench.systems.corpus.voices import speak
from ttsbench.systems.text.frontend import in_both
from ttsbench.systems.text.phones import canonical

RATE = 16000


def differences(true: Marks, found: Marks) -> list[float]:
    """Seconds, true minus found, of the phones that both have."""
    blocks = Levenshtein.opcodes([p for p, _ in true], [p for p, _ in found])
    pairs = [
        (i, j)
        for b in blocks
        if b.tag == "equal"
        for i, j in zip(range(b.src_start, b.src_end), range(b.dest_start, b.dest_end), strict=True)
    ]
    return [true[i][1] - found[j][1] for i, j in pairs]


def of_kokoro(folder: Path, count: int, language: str) -> tuple[int, list[list[float]]]:
    rows = [row for row in rows_of(folder) if row["language"] == language][:count]
    found = []
    for row in rows:
        aligned = align(read_at(folder / "wavs" / f"{row['id']}.flac", RATE), row["text"], language)
        if aligned is not None:
            own = row["tokens"], row["ends"]
            true = tokens.english(*own) if language == "en" else tokens.mandarin(*own, in_both(row["text"]))
            found.append(differences(true, aligned.phones))
    return len(rows), found


def of_flite(count: int) -> tuple[int, list[list[float]]]:
    jobs = [job for job in plan(0.1, 5) if job[1] == "train"][:count]
    found = []
    for _, _, text, voice in jobs:
        samples, phones = speak(text, voice)
        aligned = align(samples, text)
        if aligned is not None:
            found.append(differences([(canonical(p), end) for p, end in phones], aligned.phones))
    return len(jobs), found


def line(name: str, count: int, found: list[list[float]], late: float = 0.0) -> dict[str, str]:
    away = np.array([value for each in found for value in each]) - late
    size = np.abs(away)
    return {
        "ends of": name, "sentences": str(count), "given up": str(count - len(found)), "ends": str(len(away)),
        "difference ms": f"{1000 * np.median(away):.0f}", "median ms": f"{1000 * np.median(size):.0f}",
        "mean ms": f"{1000 * size.mean():.0f}", "in 20 ms": f"{(size <= 0.0201).mean():.2f}",
        "in 50 ms": f"{(size <= 0.0501).mean():.2f}",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spoken", type=Path, required=True, help="a folder that corpus.natural wrote")
    parser.add_argument("--rows", type=int, default=110)
    parser.add_argument("--flite", type=int, default=40)
    given = parser.parse_args()
    lines = [line("flite", *of_flite(given.flite))]
    for language in ("en", "zh"):
        found = of_kokoro(given.spoken, given.rows, language)
        lines += [line(f"Kokoro, {language}", *found), line(f"Kokoro, {language}, earlier", *found, late=LATE)]
    print(table(lines))


if __name__ == "__main__":
    main()
