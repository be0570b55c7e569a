"""Scores of the output alone, by a quality model: DNSMOS, DistillMOS, UTMOS."""

from __future__ import annotations

from ttsbench.metrics import items
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score

P835 = "Reddy, Gopal, Cutler: DNSMOS P.835, ICASSP 2022"
STAHL = (
    "Stahl, Gamper: Distillation and Pruning for Scalable Self-Supervised Representation-Based Speech Quality "
    "Assessment, ICASSP 2025"
)
P808 = "Reddy, Gopal, Cutler: DNSMOS, ICASSP 2021"


def quality(
    extractor: str,
    key: str,
    name: str,
    title: str,
    about: str,
    citation: str,
    settings: tuple[tuple[str, str], ...] = (),
    low: float = 1.0,
    high: float = 5.0,
    headline: bool = True,
) -> Measure:
    """The value `key` that a quality model gives to the output, in a continuation to what follows the prompt."""
    metric = Metric(name, title, "MOS", "higher", low, high, "quality", about, citation, headline=headline)

    def requests(item: Item) -> tuple[Request, ...]:
        return () if item.audio is None else (Request(extractor, item.audio, items.start(item), settings=settings),)

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or features[0].error
        if error:
            return Score(item.sample.id, error=error)
        return Score(item.sample.id, value=features[0].value[key])

    return Measure(metric, items.applies, requests, score)


def measures() -> tuple[Measure, ...]:
    """The four columns of DNSMOS, and DistillMOS."""
    return (*map(dnsmos, ("ovrl", "sig", "bak", "p808")), distillmos())


def distillmos() -> Measure:
    """DistillMOS."""
    about = "predicted MOS; mean over windows of 7.68 s at most one second apart, short audio padded with zeros"
    settings = (("resampling", "soxr"),)
    return quality("quality.distillmos", "distillmos", "distillmos", "DistillMOS", about, STAHL, settings)


def dnsmos(key: str, resampling: str = "soxr", headline: bool = True) -> Measure:
    """DNSMOS: `sig`, `bak`, `ovrl` of P.835, or `p808`; `resampling` to 16 kHz: see metrics/resample.py."""
    parts = {"sig": "speech signal", "bak": "background", "ovrl": "overall quality", "p808": "overall quality"}
    return quality(
        "quality.dnsmos",
        key,
        f"dnsmos-{key}",
        "DNSMOS P.808" if key == "p808" else f"DNSMOS {key.upper()}",
        f"predicted MOS, {parts[key]}; mean over 9.01 s windows one second apart, short audio repeated",
        P808 if key == "p808" else P835,
        settings=(("what", "p808" if key == "p808" else "p835"), ("resampling", resampling)),
        headline=headline,
    )
