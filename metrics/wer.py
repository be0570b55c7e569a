"""Word and character error rate (WER, CER): the recogniser's transcript against the text to be spoken.

Transcripts are cached; normalisation and alignment are cheap and done anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttsbench.metrics import items
from ttsbench.metrics.models import MissingModel
from ttsbench.metrics.text import Rules, rules
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score

Unit = Literal["word", "character"]
UNSURE = 0.3  # difference of two recognisers' error rates on a row from which on neither is to be believed alone


@dataclass(frozen=True)
class Counts:
    """Edits of a least-cost alignment. Only their sum is the same in all tools, the parts depend on tie-breaking.

    `length` counts the reference's units, `pieces` what a plain split at each space gives (empty pieces counted), which
    some tools divide by.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    pieces: int

    @property
    def length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per unit of the reference, above 1 where much is inserted; of an empty one, the insertions."""
        return self.errors / self.length if self.length else float(self.insertions)


def count(reference: str, hypothesis: str, unit: Unit = "word", merged: bool = False) -> Counts:
    """Align two normalised strings with jiwer: words at spaces, or characters with spaces counted.

    `merged`: words only, with kaldialign, where a compound written in one or in several words is no error.
    """
    if merged:
        return _count_merged(reference, hypothesis)
    import jiwer

    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    found = process(reference, hypothesis)
    pieces = len(reference.split(" ")) if unit == "word" else len(reference)
    return Counts(found.hits, found.substitutions, found.deletions, found.insertions, pieces)


def _count_merged(reference: str, hypothesis: str) -> Counts:
    try:
        from kaldialign import edit_distance
    except ImportError as fault:
        raise MissingModel("compounds are merged by kaldialign: pip install kaldialign") from fault

    found = edit_distance(reference.split(), hypothesis.split(), merge_compounds=True)
    wrong, missed, length = int(found["sub"]), int(found["del"]), int(found["ref_len"])
    return Counts(length - wrong - missed, wrong, missed, int(found["ins"]), len(reference.split(" ")))


def compare(
    reference: str, hypothesis: str, how: Rules, unit: Unit = "word", merged: bool = False
) -> tuple[str, str, Counts]:
    """Both strings after the rules, and their counts."""
    left, right = how.pair(reference, hypothesis)
    if unit == "character" and not how.spaces:
        left, right = left.replace(" ", ""), right.replace(" ", "")
    return left, right, count(left, right, unit, merged)


def wer(
    recogniser: str,
    by_language: dict[str, str],
    name: str = "wer",
    title: str = "WER",
    unit: Unit = "word",
    settings: tuple[tuple[str, str], ...] = (),
    shown: Literal["mean", "corpus"] = "mean",
    citation: str = "",
    why_not: str = "the recogniser does not know it",
    missing: Literal["worst", "skipped"] = "worst",
    empty: Literal["counted", "removed"] = "counted",
    merged: bool = False,
    second: dict[str, tuple[tuple[str, str], ...]] | None = None,
) -> Measure:
    """Error rate with one recogniser; `by_language` names the rules for each language it may be asked of.

    The recogniser is told the language, as the setting `language`. A missing, empty or unreadable output is an error
    that counts as 1.0; `missing="skipped"` leaves such rows out instead, as many originals do. An empty reference
    counts its insertions, with no weight in the corpus rate; `empty="removed"` does not ask it. `merged`: see `count`.

    `second`: settings of a second opinion by the same recogniser, for each language that has one. It changes no value:
    where the two rates differ by more than `UNSURE`, the row's detail says so as `unsure`.
    """
    metric = Metric(
        name=name,
        title=title,
        unit="%",
        better="lower",
        low=0.0,
        high=None,
        family="intelligibility",
        about=(
            f"{unit} error rate: substitutions, deletions and insertions over the {unit}s of the text; recogniser "
            f"{recogniser}, text rules {', '.join(dict.fromkeys(by_language.values()))}"
        ),
        citation=citation,
        shown=shown,
    )

    def na(item: Item) -> str:
        language = item.sample.language
        if language not in by_language:
            return f"language {language}: {why_not}"
        if missing == "skipped" and items.missing(item):
            return "no output: the original leaves the row out"
        if empty == "removed" and not rules(by_language[language])(item.sample.text).strip():
            return "the text is empty after normalisation: the original removes it"
        return ""

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        language, start = item.sample.language, items.start_of_text(item)
        asked = [settings, *([second[language]] if second and language in second else [])]
        return tuple(Request(recogniser, item.audio, start, settings=(*each, ("language", language))) for each in asked)

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        how = rules(by_language[item.sample.language])
        error = items.missing(item) or features[0].error
        if error and missing == "skipped":
            return Score(item.sample.id, na="unreadable output: the original leaves the row out")
        text = "" if error else str(features[0].value["text"])
        reference, hypothesis, counts = compare(item.sample.text, text, how, unit, merged)
        detail = {
            "reference": reference,
            "hypothesis": hypothesis,
            "transcript": text,
            "substitutions": counts.substitutions,
            "deletions": counts.deletions,
            "insertions": counts.insertions,
            "length": counts.length,
            "pieces": counts.pieces,
        }
        if not error and features[0].value.get("flags"):
            detail["flags"] = features[0].value["flags"]
        for other in features[1:] if not error else ():
            if not other.error:
                detail |= _opinion(item.sample.text, str(other.value["text"]), how, unit, counts.rate)
        value = 1.0 if error else counts.rate
        return Score(item.sample.id, value=value, weight=float(counts.length), error=error, detail=detail)

    return Measure(metric, na, requests, score)


def _opinion(text: str, heard: str, how: Rules, unit: Unit, rate: float) -> dict[str, str]:
    """What a second recogniser adds to a row's detail: its transcript, and `unsure` where the rates lie far apart."""
    other = compare(text, heard, how, unit)[2].rate
    unsure = f"recogniser unsure: another one has {100 * other:.0f} % errors here, not {100 * rate:.0f} %"
    return {"second": heard} | ({"unsure": unsure} if abs(other - rate) > UNSURE else {})
