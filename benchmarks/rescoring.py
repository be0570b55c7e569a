"""How long it takes to score cached transcripts again, under every set of rules: 2,020 rows of real recogniser output.

python benchmarks/rescoring.py ../shared/data/librispeech-refs-hyps
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ttsbench.metrics.text import RULES
from ttsbench.metrics.wer import compare

ROWS = 2020


def table(path: Path) -> dict[str, str]:
    """Utterance to text."""
    pairs = (line.partition("\t") for line in path.read_text().splitlines() if line.strip())
    return {utterance: text for utterance, _, text in pairs}


def main(folder: Path) -> None:
    """Print seconds per set of rules, and in all."""
    references = table(folder / "test-clean.ref.tsv")
    heard = table(folder / "test-clean.b1.rnnt_baseline.hyp.tsv")
    rows = [(references[utterance], heard[utterance]) for utterance in list(references)[:ROWS]]
    whole = 0.0
    for name, how in RULES.items():
        compare("warm", "up", how)
        start = time.process_time()
        counts = [compare(reference, hypothesis, how)[2] for reference, hypothesis in rows]
        spent = time.process_time() - start
        whole += spent
        rate = sum(each.errors for each in counts) / sum(each.length for each in counts)
        print(f"{name:16} {spent:6.3f} s   {100 * rate:7.3f} % corpus")
    print(f"{'all':16} {whole:6.3f} s of processor time for {len(rows)} rows under {len(RULES)} sets of rules")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/librispeech-refs-hyps"))
