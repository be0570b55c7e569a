"""What an hour of speech costs: by the price of a service, or by that of the machine and how fast it spoke."""

from __future__ import annotations

from ttsbench import playback
from ttsbench.metrics import items
from ttsbench.metrics.models import short
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score

ABOUT = (
    "USD for an hour of speech: the characters of the texts at the price on the system's card, else the time they took "
    "at the price of the machine (--machine-price), shared by the utterances that are spoken at once"
)
UNKNOWN = "no price is known: none is on the card, and no --machine-price was given"


def known(item: Item) -> bool:
    """Whether a price is known for a row's system."""
    return item.card.price is not None or item.hour is not None


def cost() -> Measure:
    """USD per hour of speech. Corpus value: all the money over all the speech; a row's weight is its seconds."""

    def na(item: Item) -> str:
        if not known(item):
            return UNKNOWN
        return item.untimed if item.card.price is None else ""

    def requests(item: Item) -> tuple[Request, ...]:
        return ()

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        spoken = item.synthesis
        if fault := items.missing(item):
            return Score(item.sample.id, error=fault)
        if not spoken.seconds:
            return Score(item.sample.id, error="the system made no speech")
        if item.card.price is not None:
            money = item.card.price / 1e6 * len(item.sample.text)
            return _score(item, 3600 * money / spoken.seconds, {"characters": len(item.sample.text)})
        if spoken.total is None or item.hour is None:
            return Score(item.sample.id, na="the row was spoken under other conditions than the run's first")
        others = spoken.others or 0.0
        crowded = {"others": others} if others > playback.BUSY else {}
        return _score(item, item.hour * spoken.total / spoken.seconds, {"seconds": spoken.total, **crowded})

    metric = Metric("cost", "Cost", "USD/h", "lower", 0.0, None, "cost", ABOUT, shown="corpus")
    return Measure(metric, na, requests, score)


def _score(item: Item, value: float, detail: dict[str, float]) -> Score:
    weight, busy = item.synthesis.seconds, "others" in detail
    return Score(item.sample.id, value=short(value), weight=weight, busy=busy, detail=detail)


def measures() -> tuple[Measure, ...]:
    """The column of cost; scoring adds it to every protocol where a price is known."""
    return (cost(),)
