"""Phone error rate by transcript: the phones of what a recogniser wrote down against the phones of the text.

Both texts become phones by the front end of the small systems (CMU dictionary, letter rules, pinyin). Words that sound
alike are no error, and a word of many phones weighs more than a short one. It is no phone recogniser: a phone that is
said wrong counts where the recogniser heard another word.
"""

from __future__ import annotations

from ttsbench.metrics import items
from ttsbench.metrics.models import short
from ttsbench.metrics.wer import count
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score
from ttsbench.systems.text.frontend import in_both
from ttsbench.systems.text.phones import PAUSE

LANGUAGES = ("en", "zh")
RECOGNISER, MODEL = "recognisers.faster_whisper", "faster-whisper-base"


def measures() -> tuple[Measure, ...]:
    """The one column."""
    return (phone_errors(),)


def phones(text: str) -> list[str]:
    """Phones of a text in English and Mandarin (finals with their tones), without pauses."""
    return [each for each in in_both(text) if each != PAUSE]


def phone_errors() -> Measure:
    """Edits over phones of the text. A missing or unreadable output is an error that counts as 1.0."""
    metric = Metric(
        "per-transcript", "PER by transcript", "%", "lower", 0.0, None, "intelligibility",
        f"phone error rate by transcript: {RECOGNISER}'s words ({MODEL}) and the text turned into phones by the same "
        "front end, edits over phones of the text",
    )  # fmt: skip

    def na(item: Item) -> str:
        return "" if item.sample.language in LANGUAGES else f"language {item.sample.language}: no front end for it here"

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        settings = (("model", MODEL), ("language", item.sample.language))
        return (Request(RECOGNISER, item.audio, items.start_of_text(item), settings=settings),)

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or features[0].error
        text = "" if error else str(features[0].value["text"])
        wanted, heard = " ".join(phones(item.sample.text)), " ".join(phones(text))
        found = count(wanted, heard)
        value = 1.0 if error else short(found.rate)
        detail = {"transcript": text, "reference": wanted, "hypothesis": heard}
        return Score(item.sample.id, value=value, weight=float(found.length), error=error, detail=detail)

    return Measure(metric, na, requests, score)
