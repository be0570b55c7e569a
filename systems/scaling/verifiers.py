"""The harness's own metrics as judges of sound, for search at synthesis time; higher is always better.

Systems never import metrics, so a search is handed its verifiers from here, by name (`named`):

    recognisers.faster_whisper                        minus the error rate; every recogniser of `ttsbench.metrics`
    recognisers.ctc?model=hubert-large-ls960-ft       with settings
    speakers.wavlm_ecapa, speakers.emotion2vec        cosine to the prompt: voice, emotion
    quality.dnsmos?what=p835#ovrl                     a predicted MOS; behind # which of its values
    phones, timbre                                    a phone loop; a crude portrait of the voice
    mine.py:judge                                     `judge(sample, rate)` gives a function from sound to a score
"""

from __future__ import annotations

import functools
import importlib.util
import math
import tempfile
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.records import Feature, Request, Sample

Judge = Callable[[np.ndarray], float]  # float32 (n,) to a score, -inf where there is none
Settings = tuple[tuple[str, str], ...]
RULES = {"en": ("whisper-en", "word"), "zh": ("plain-zh", "character")}  # of text, and what is counted
RECOGNISER, SPEAKER, QUALITY = "recognisers.faster_whisper", "speakers.ge2e", "quality.dnsmos"
# not the recogniser that scores, Whisper base: what a search wins must not be won by choosing with the metric itself
SETTINGS = {
    QUALITY: (("what", "p835"), ("resampling", "soxr")),
    RECOGNISER: (("model", "faster-whisper-tiny.en"), ("language", "en")),
}


@functools.cache
def _extract(name: str, settings: Settings) -> Any:
    from ttsbench import metrics

    return metrics.extractor(name).load(dict(settings), "cpu")


def feature(name: str, samples: np.ndarray, rate: int, settings: Settings | None = None) -> Feature:
    """What the extractor `name` finds in float32 (n,) at `rate` Hz; it reads files, so a short-lived one is written."""
    how = SETTINGS.get(name, ()) if settings is None else settings
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as folder:
        path = Path(folder) / "candidate.wav"
        audio.write(path, np.clip(samples, -1.0, 1.0), rate)
        return _extract(name, how)([Request(name, path, settings=how)])[0]


def named(name: str, sample: Sample, rate: int) -> Judge:
    """The verifier called `name` (see above) for one sample. UserError where there is none, or no prompt to compare."""
    place, _, key = name.partition("#")
    place, mark, query = place.partition("?")
    how: Settings | None = tuple(parse_qsl(query)) if mark else None
    kind = place.partition(".")[0]
    if kind == "recognisers":
        return words(sample.text, rate, place, how, sample.language)
    if kind == "speakers":
        return voice(_prompt(sample, name), rate, place, how)
    if kind == "quality":
        return quality(rate, place, how, key)
    if name in ("phones", "timbre"):
        return phones(sample.text, rate) if name == "phones" else timbre(_prompt(sample, name), rate)
    source, mark, function = name.rpartition(":")
    if not mark or not Path(source).is_file():
        raise UserError(
            f"no verifier {name!r}; give recognisers.NAME, speakers.NAME, quality.NAME, phones, timbre or "
            "FILE.py:FUNCTION"
        )
    judge: Judge = getattr(_module(source), function)(sample, rate)
    return judge


def _prompt(sample: Sample, name: str) -> Path:
    if sample.prompt is None:
        raise UserError(f"verifier {name} compares with the prompt, and sample {sample.id} has none")
    return sample.prompt


@functools.cache
def _module(path: str) -> Any:
    specification = importlib.util.spec_from_file_location(f"ttsbench_verifier_{Path(path).stem}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def words(
    text: str, rate: int, recogniser: str = RECOGNISER, settings: Settings | None = None, language: str = "en"
) -> Judge:
    """Minus the error rate against `text`: of words, in Chinese of characters; by Whisper tiny.en unless named."""
    from ttsbench.metrics.text import rules as text_rules
    from ttsbench.metrics.wer import compare

    if language not in RULES:
        raise UserError(f"a recogniser as verifier knows {', '.join(RULES)}, not {language}")
    rules, unit = RULES[language]
    if settings is not None or recogniser != RECOGNISER or language != "en":
        settings = tuple({"language": language, **dict(settings or ())}.items())

    def judge(samples: np.ndarray) -> float:
        found = feature(recogniser, samples, rate, settings)
        if found.error:
            return -math.inf
        return -compare(text, str(found.value["text"]), text_rules(rules), typing.cast(Any, unit))[2].rate

    return judge


def voice(prompt: Path, rate: int, model: str = SPEAKER, settings: Settings | None = None) -> Judge:
    """Cosine of a model's vectors to the prompt's: the embedded speaker model, or any of speakers and emotions."""
    from ttsbench.metrics.sim import cosine

    how = SETTINGS.get(model, ()) if settings is None else settings
    anchor = _extract(model, how)([Request(model, prompt, settings=how)])[0]
    if anchor.error:
        raise UserError(f"{prompt}: {anchor.error}")

    def judge(samples: np.ndarray) -> float:
        found = feature(model, samples, rate, settings)
        return -math.inf if found.error else cosine(anchor, found)

    return judge


def quality(rate: int, model: str = QUALITY, settings: Settings | None = None, key: str = "") -> Judge:
    """A predicted MOS: DNSMOS P.835 overall unless named. `key`: which of the model's values, where it has several."""

    def judge(samples: np.ndarray) -> float:
        found = feature(model, samples, rate, settings)
        if found.error:
            return -math.inf
        wanted = key or ("ovrl" if "ovrl" in found.value else next(iter(found.value)))
        if wanted not in found.value:
            raise UserError(f"verifier {model} has no value {wanted!r}; it has {', '.join(found.value)}")
        return float(found.value[wanted])

    return judge


# --- independent of the above ---------------------------------------------------------------------------------------


@functools.cache
def _phone_decoder() -> Any:
    try:
        import pocketsphinx
    except ImportError as fault:
        raise UserError("the phone verifier is pocketsphinx: pip install 'ttsbench[train]'") from fault

    from ttsbench.metrics.models import packaged

    model = packaged("pocketsphinx", "model/en-us/en-us-phone.lm.bin", "pocketsphinx")
    return pocketsphinx.Decoder(
        samprate=16000, loglevel="FATAL", cmn="batch", lm=None, dict=None, allphone=str(model), lw=2.0
    )


def phones(text: str, rate: int) -> Judge:
    """Minus the phone error rate in a phone loop: the recogniser without its words and word statistics."""
    from ttsbench.metrics.wer import count
    from ttsbench.systems.text.frontend import text_to_phones

    wanted = " ".join(phone for phone in text_to_phones(text) if phone != "pau")

    def judge(samples: np.ndarray) -> float:
        decoder = _phone_decoder()
        pcm = np.round(np.clip(audio.resample(samples, rate, 16000), -1, 1) * 32767).astype("<i2").tobytes()
        decoder.reinit_feat()  # or what it hears depends on what it heard before
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        heard = [part.word.lower() for part in decoder.seg() or [] if part.word.isalpha() and part.word != "SIL"]
        return -count(wanted, " ".join(heard)).rate

    return judge


def timbre(prompt: Path, rate: int) -> Judge:
    """Minus the distance to the prompt of mean and deviation of 20 mel cepstra over loud frames: a crude portrait."""
    anchor = _portrait(audio.read_at(prompt, 16000))

    def judge(samples: np.ndarray) -> float:
        return -float(np.sqrt(np.mean((_portrait(audio.resample(samples, rate, 16000)) - anchor) ** 2)))

    return judge


def _portrait(samples: np.ndarray) -> np.ndarray:
    """(40,) of float32 (n,) at 16 kHz."""
    from scipy.fft import dct

    from ttsbench.mel import decibels, mel_power

    power = mel_power(samples, 16000, 512, 160, 40)
    loud = power.sum(axis=1) > power.sum(axis=1).max() * 1e-3
    cepstra = dct(decibels(power[loud]), norm="ortho", axis=1)[:, 1:21]
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])
