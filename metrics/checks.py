"""Clip checks: what is plainly wrong with a row, each by a rule that can be read. A share of rows, and names of rules.

They judge no quality; they point at rows that somebody should listen to.
"""

from __future__ import annotations

from ttsbench.metrics import items
from ttsbench.metrics.text import rules
from ttsbench.playback import AUDIBLE
from ttsbench.records import COPY, Feature, Item, Measure, Metric, Request, Score

FULL_SHARE = 0.001  # of samples at full scale
LONG_PAUSE = 1.5  # s between audible frames
ABRUPT = 0.5  # RMS of the last 20 ms over that of all audible frames
SHORT, LONG = 0.5, 2.0  # times the recording's length
LETTERS_A_SECOND = {"zh": 4.5, "en": 15.0}  # about, where there is no recording; then the limits are wider:
SHORT_TEXT, LONG_TEXT = 0.4, 3.0
LEAST = {"zh": 4, "en": 3}  # characters or words of a phrase that is said again; a shorter one is ordinary speech
RULES = {
    "silent": f"nothing is audible (no 10 ms with an RMS above {AUDIBLE:g})",
    "clipped": f"over {100 * FULL_SHARE:g} % of the samples are at full scale",
    "cut off": f"the last 20 ms are louder than {ABRUPT:g} times the speech's level",
    "long pause": f"nothing audible for over {LONG_PAUSE:g} s between audible parts",
    "too short": f"under {SHORT:g} times the recording ({SHORT_TEXT:g} times what its text takes without one)",
    "too long": f"over {LONG:g} times the recording ({LONG_TEXT:g} times what its text takes without one)",
    "copy": "the output is the recording or the prompt, sample by sample",
    "repeated": "the recogniser hears a phrase again at once that the text does not repeat",
}


def checks(
    recogniser: str = "", by_language: dict[str, str] | None = None, settings: tuple[tuple[str, str], ...] = ()
) -> Measure:
    """Share of rows with a finding; the names of the rules in the detail, as `checks`.

    With a recogniser, repeated phrases are looked for in its transcripts, by the text rules of each language.
    """
    about = "rows that a rule points at: " + "; ".join(f"{name}: {rule}" for name, rule in RULES.items())
    metric = Metric("flagged", "Flagged", "%", "lower", 0.0, 1.0, "checks", about, headline=False)
    texts = by_language or {}

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        found = [Request("quality.clip", item.audio, items.start(item))]
        truth = item.sample.truth
        found += [Request("quality.clip", truth, items.start(item))] if truth else []
        if recogniser and item.sample.language in texts:
            told = (*settings, ("language", item.sample.language))
            found.append(Request(recogniser, item.audio, items.start_of_text(item), settings=told))
        return tuple(found)

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item)
        if error:
            return Score(item.sample.id, error=error)
        if features[0].error:
            silent = "silent" in features[0].error
            detail = {"checks": ["silent"]} if silent else {}
            return Score(
                item.sample.id, 1.0 if silent else None, error="" if silent else features[0].error, detail=detail
            )
        truth = features[1] if item.sample.truth else None
        found = _of_audio(features[0].value, None if truth is None or truth.error else truth.value, item)
        found += ["copy"] if COPY in item.synthesis.note else []
        last = features[-1]
        if recogniser and item.sample.language in texts and not last.error:
            found += _of_words(str(last.value["text"]), item, texts[item.sample.language])
        return Score(item.sample.id, value=float(bool(found)), detail={"checks": found} if found else {})

    return Measure(metric, items.applies, requests, score)


def _of_audio(clip: dict[str, float], truth: dict[str, float] | None, item: Item) -> list[str]:
    if clip["loudest"] <= AUDIBLE:
        return ["silent"]
    found = ["clipped"] if clip["full"] > FULL_SHARE else []
    found += ["cut off"] if clip["tail"] > ABRUPT else []
    found += ["long pause"] if clip["pause"] > max(LONG_PAUSE, truth["pause"] if truth else 0.0) else []
    if truth:
        least, most = SHORT * truth["seconds"], LONG * truth["seconds"]
    else:
        taken = len(item.sample.text) / LETTERS_A_SECOND.get(item.sample.language, LETTERS_A_SECOND["en"])
        least, most = SHORT_TEXT * taken, LONG_TEXT * max(taken, 1.0)
    found += ["too short"] if clip["seconds"] < least else []
    found += ["too long"] if clip["seconds"] > most else []
    return found


def _of_words(heard: str, item: Item, names: str) -> list[str]:
    how = rules(names)
    reference, hypothesis = how(item.sample.text), how.hypothesis_text(heard)
    chinese = item.sample.language == "zh"
    said, told = ([*t.replace(" ", "")] if chinese else t.split() for t in (hypothesis, reference))
    least = LEAST["zh" if chinese else "en"]
    return ["repeated"] if repeats(said, least) > repeats(told, least) else []


def repeats(units: list[str], least: int) -> int:
    """How often a phrase of at least `least` units is followed by itself."""
    count, at = 0, 0
    while at < len(units):
        size = next((n for n in range(least, (len(units) - at) // 2 + 1) if _again(units, at, n)), 0)
        count += bool(size)
        at += size or 1
    return count


def _again(units: list[str], at: int, size: int) -> bool:
    return units[at : at + size] == units[at + size : at + 2 * size]
