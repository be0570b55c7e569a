"""Prosody of a clip: pitch, speaking rate, pauses; of a codec round trip: how closely pitch and spectrum follow.

Mean pitch, range, rate and pauses are neither good nor bad in themselves: they stand beside those of the recordings.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ttsbench.metrics import items
from ttsbench.metrics.models import short
from ttsbench.records import Better, Feature, Item, Measure, Metric, Request, Score

WORLD = "Morise, Yokomori, Ozawa: WORLD, IEICE Transactions 2016 (package pyworld)"
KUBICHEK = "Kubichek: Mel-cepstral distance measure for objective speech quality assessment, 1993"
SPACED = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
WITHOUT_SPACES = ("zh", "ja", "th")
Value = Callable[[Item, dict[str, float]], float | None]


def measures() -> tuple[Measure, ...]:
    """The columns of protocol `prosody`."""
    return (
        _clip("pitch-mean", "Pitch", "Hz", "mean fundamental frequency of the voiced frames", "mean"),
        _clip("pitch-range", "Pitch range", "semitones", "from the 5th to the 95th percentile of the pitch", "range"),
        _pair("pitch-correlation", "Pitch corr.", "", "higher", "Pearson's correlation of log pitch", "correlation"),
        _pair("pitch-rmse", "Pitch RMSE", "cents", "lower", "root mean square of the pitch's difference", "cents"),
        _pair("mcd", "MCD", "dB", "lower", "mel-cepstral distortion, coefficients 1 to 24", "mcd"),
        words_per_second(),
        characters_per_second(),
        pause_share(),
    )


def words_per_second() -> Measure:
    """Words of the text over the time from the first to the last audible moment; pauses included."""
    about = "words of the text a second, from the first to the last sound, pauses included"

    def na(item: Item) -> str:
        return "its writing has no spaces" if item.sample.language in WITHOUT_SPACES else ""

    def value(item: Item, found: dict[str, float]) -> float | None:
        return len(SPACED.findall(item.sample.text)) / found["seconds"]

    return _spoken("words-per-second", "Words/s", "words/s", about, na, value)


def characters_per_second() -> Measure:
    """Letters and digits of the text a second: for every language."""
    about = "letters and digits of the text a second, from the first to the last sound, pauses included"

    def value(item: Item, found: dict[str, float]) -> float | None:
        return sum(map(str.isalnum, item.sample.text)) / found["seconds"]

    return _spoken("characters-per-second", "Characters/s", "characters/s", about, items.applies, value)


def pause_share() -> Measure:
    """Share of the time between the first and the last sound that is pauses of at least 0.2 s."""
    about = "share of the time from the first to the last sound that is pauses of at least 0.2 s"

    def value(item: Item, found: dict[str, float]) -> float | None:
        return found["paused"] / found["seconds"]

    return _spoken("pause-share", "Pauses", "%", about, items.applies, value)


def _spoken(name: str, title: str, unit: str, about: str, na: Callable[[Item], str], value: Value) -> Measure:
    metric = Metric(name, title, unit, "neither", 0.0, None, "prosody", about)

    def requests(item: Item) -> tuple[Request, ...]:
        return () if item.audio is None else (Request("quality.pauses", item.audio, start=items.start(item)),)

    return Measure(metric, na, requests, _score(value))


def _clip(name: str, title: str, unit: str, about: str, key: str) -> Measure:
    metric = Metric(name, title, unit, "neither", 0.0, None, "prosody", about, WORLD)
    settings = (("what", "clip"),)

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        return (Request("quality.world", item.audio, start=items.start(item), settings=settings),)

    return Measure(metric, items.applies, requests, _score(lambda _, found: found.get(key)))


def _pair(name: str, title: str, unit: str, better: Better, about: str, key: str) -> Measure:
    low, high = (-1.0, 1.0) if key == "correlation" else (0.0, None)
    told, source = f"{about}, output against recording", KUBICHEK if key == "mcd" else WORLD
    metric = Metric(name, title, unit, better, low, high, "prosody", told, source)
    settings = (("what", "pair"),)

    def na(item: Item) -> str:
        if item.sample.task != "resynthesis":
            return "output and recording are not aligned in time: only a codec round trip is"
        return "" if item.sample.truth is not None else "the sample has no recording to compare with"

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        return (Request("quality.world", item.audio, reference=item.sample.truth, settings=settings),)

    return Measure(metric, na, requests, _score(lambda _, found: found.get(key)))


def _score(value: Value) -> Callable[[Item, tuple[Feature, ...]], Score]:
    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or features[0].error
        found = None if error else value(item, features[0].value)
        if found is None:
            return Score(item.sample.id, error=error or "too little of both is voiced at the same time")
        return Score(item.sample.id, value=short(found))

    return score
