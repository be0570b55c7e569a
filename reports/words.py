"""What was misheard: substituted, deleted and inserted words of reference and hypothesis pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ttsbench.records import Score


@dataclass
class Errors:
    """Edit counts over a set of utterances; `words` counts the reference's. The counters hold the words themselves."""

    words: int = 0
    substituted: Counter[tuple[str, str]] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    inserted: Counter[str] = field(default_factory=Counter)

    def rates(self) -> tuple[float, float, float]:
        """Substitutions, deletions, insertions as fractions of the reference's words."""
        words = max(1, self.words)
        return self.substituted.total() / words, self.deleted.total() / words, self.inserted.total() / words


def pair(score: Score) -> tuple[str, str] | None:
    """The normalised reference and hypothesis that a score keeps, None where it keeps none."""
    reference, hypothesis = score.detail.get("reference"), score.detail.get("hypothesis")
    if isinstance(reference, str) and isinstance(hypothesis, str):
        return reference, hypothesis
    return None


def errors(scores: Sequence[Score]) -> Errors | None:
    """Word errors of all rows that keep their strings; None where none does. Alignment: jiwer."""
    import jiwer

    pairs = [strings for score in scores if (strings := pair(score)) is not None and strings[0].split()]
    if not pairs:
        return None
    out = jiwer.process_words([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs])
    found = Errors()
    for reference, hypothesis, chunks in zip(out.references, out.hypotheses, out.alignments, strict=True):
        found.words += len(reference)
        for chunk in chunks:
            was = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            now = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "substitute":
                found.substituted.update(zip(was, now, strict=True))
            elif chunk.type == "delete":
                found.deleted.update(was)
            elif chunk.type == "insert":
                found.inserted.update(now)
    return found
