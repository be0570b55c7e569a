"""How often the 95 % interval of several seeds covers the truth, by simulation: python benchmarks/seed_intervals.py 300

16 speakers with two utterances each; the true mean is 0. Speakers and utterances vary by one standard deviation each (a
third in the second case), rows by `row`, and all rows of a seed together by `seed`.
"""

from __future__ import annotations

import sys

import numpy as np

from ttsbench.names import repetition
from ttsbench.records import Metric, Score
from ttsbench.stats import cell

METRIC = Metric("value", "Value", "", "lower", None, None, "quality", "")
CASES = ((1.0, 1.0, 0.0), (0.3, 2.0, 0.0), (1.0, 1.0, 0.3), (1.0, 1.0, 1.0))  # of speakers and utterances, row, seed


def interval(rng: np.random.Generator, seeds: int, between: float, row: float, seed: float) -> tuple[float, float]:
    """The interval of one simulated run."""
    common, scores, speakers = rng.normal(0, seed, seeds), [], {}
    for speaker in range(16):
        voice = rng.normal(0, between)
        for text in range(2):
            centre = voice + rng.normal(0, between)
            for k in range(seeds):
                name = repetition(f"s{speaker}-{text}", k)
                speakers[name] = f"s{speaker}"
                scores.append(Score(name, centre + common[k] + rng.normal(0, row)))
    found = cell(METRIC, scores, speakers)
    assert found.low is not None and found.high is not None
    return found.low, found.high


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rng = np.random.default_rng(1)
    print("| seeds | speakers | rows | seeds differ by | covers % | median width |", "| --- " * 6 + "|", sep="\n")
    for seeds in (1, 2, 3, 5):
        for between, row, seed in CASES:
            if seeds == 1 and seed:
                continue
            found = [interval(rng, seeds, between, row, seed) for _ in range(trials)]
            covers = 100 * np.mean([low <= 0 <= high for low, high in found])
            width = np.median([high - low for low, high in found])
            print(f"| {seeds} | {between} | {row} | {seed} | {covers:.1f} | {width:.2f} |", flush=True)


if __name__ == "__main__":
    main()
