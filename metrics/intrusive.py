"""PESQ and STOI against the recording itself: codec round trips only, see quality/pair.py for the alignment policy."""

from __future__ import annotations

from ttsbench.metrics import items
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score

_CARDS = {
    "wb": ("pesq-wb", "PESQ wb", "MOS-LQO", 1.04, 4.65, "wide-band PESQ at 16 kHz", "ITU-T P.862.2 (2007)"),
    "nb": ("pesq-nb", "PESQ nb", "MOS-LQO", 1.02, 4.56, "narrow-band PESQ of audio at 16 kHz", "ITU-T P.862.1 (2003)"),
    "stoi": ("stoi", "STOI", "", 0.0, 1.0, "short-time objective intelligibility", "Taal et al., TASLP 2011"),
    "estoi": (
        "estoi",
        "ESTOI",
        "",
        0.0,
        1.0,
        "extended short-time objective intelligibility",
        "Jensen, Taal, TASLP 2016",
    ),
}


def measures() -> tuple[Measure, ...]:
    """The four columns."""
    return tuple(map(intrusive, _CARDS))


def intrusive(key: str) -> Measure:
    """`wb` or `nb` (PESQ), `stoi` or `estoi`: the output against `sample.truth`, in task `resynthesis` alone."""
    name, title, unit, low, high, about, citation = _CARDS[key]
    metric = Metric(name, title, unit, "higher", low, high, "quality", f"{about}, output against recording", citation)
    settings = (("what", "pesq" if key in ("wb", "nb") else "stoi"),)

    def na(item: Item) -> str:
        if item.sample.task != "resynthesis":
            return "output and recording are not aligned in time: only a codec round trip is"
        return "" if item.sample.truth is not None else "the sample has no recording to compare with"

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None:
            return ()
        return (Request("quality.pair", item.audio, reference=item.sample.truth, settings=settings),)

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or features[0].error
        if error:
            return Score(item.sample.id, error=error)
        return Score(item.sample.id, value=features[0].value[key])

    return Measure(metric, na, requests, score)
