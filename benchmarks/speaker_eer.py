"""Does SIM separate speakers? Equal error rate of same- against different-speaker pairs of real recordings.

    python benchmarks/speaker_eer.py ../shared/data/librispeech-test-other

Every pair of recordings is a trial; the speaker is the first part of the utterance id.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from ttsbench import metrics, testsets
from ttsbench.metrics.sim import cosine
from ttsbench.records import Request


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """(rate, threshold) at which as many same pairs fall below as different pairs lie above."""
    best = min(
        (abs((same < at).mean() - (different >= at).mean()), float(at)) for at in np.concatenate([same, different])
    )
    at = best[1]
    return float(((same < at).mean() + (different >= at).mean()) / 2), at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extractor", default="speakers.ge2e")
    options = parser.parse_args()
    samples = [sample for sample in testsets.load(f"folder={options.folder}").samples if sample.truth]
    requests = [Request(options.extractor, sample.truth) for sample in samples if sample.truth]
    features = metrics.extractor(options.extractor).load({}, "cpu")(requests)
    pairs = list(itertools.combinations(range(len(samples)), 2))
    cosines = np.array([cosine(features[a], features[b]) for a, b in pairs])
    alike = np.array([samples[a].speaker == samples[b].speaker for a, b in pairs])
    rate, threshold = equal_error_rate(cosines[alike], cosines[~alike])
    print(f"{len(samples)} recordings of {len({sample.speaker for sample in samples})} speakers, {options.extractor}")
    print(f"same speaker      {alike.sum():5d} pairs, mean cosine {cosines[alike].mean():.3f}")
    print(f"different speaker {(~alike).sum():5d} pairs, mean cosine {cosines[~alike].mean():.3f}")
    print(f"equal error rate  {100 * rate:.2f} % at cosine {threshold:.3f}")


if __name__ == "__main__":
    main()
