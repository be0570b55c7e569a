"""The harness's own metrics as judges of sound, for search at synthesis time; higher is always better.

Systems never import metrics, so a search is handed its verifiers from here. `independent` measures nothing that the
verifiers see: what a search wins on them is no artefact of choosing by the metric itself.
"""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.records import Feature, Request

Judge = Callable[[np.ndarray], float]  # float32 (n,) to a score, -inf where there is none
RECOGNISER, SPEAKER, QUALITY = "recognisers.faster_whisper", "speakers.ge2e", "quality.dnsmos"
# not the recogniser that scores, Whisper base: what a search wins must not be won by choosing with the metric itself
SETTINGS = {
    QUALITY: (("what", "p835"), ("resampling", "soxr")),
    RECOGNISER: (("model", "faster-whisper-tiny.en"), ("language", "en")),
}


@functools.cache
def _extract(name: str) -> Any:
    from ttsbench import metrics

    return metrics.extractor(name).load(dict(SETTINGS.get(name, ())), "cpu")


def feature(name: str, samples: np.ndarray, rate: int) -> Feature:
    """What the extractor `name` finds in float32 (n,) at `rate` Hz; it reads files, so a short-lived one is written."""
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as folder:
        path = Path(folder) / "candidate.wav"
        audio.write(path, np.clip(samples, -1.0, 1.0), rate)
        return _extract(name)([Request(name, path, settings=SETTINGS.get(name, ()))])[0]


def words(text: str, rate: int, rules: str = "whisper-en") -> Judge:
    """Minus the word error rate against `text`, by Whisper tiny.en."""
    from ttsbench.metrics.text import rules as named
    from ttsbench.metrics.wer import compare

    def judge(samples: np.ndarray) -> float:
        found = feature(RECOGNISER, samples, rate)
        return -math.inf if found.error else -compare(text, str(found.value["text"]), named(rules))[2].rate

    return judge


def voice(prompt: Path, rate: int) -> Judge:
    """Cosine of the embedded speaker model to the prompt."""
    from ttsbench.metrics.sim import cosine

    anchor = _extract(SPEAKER)([Request(SPEAKER, prompt)])[0]
    if anchor.error:
        raise UserError(f"{prompt}: {anchor.error}")

    def judge(samples: np.ndarray) -> float:
        found = feature(SPEAKER, samples, rate)
        return -math.inf if found.error else cosine(anchor, found)

    return judge


def quality(rate: int) -> Judge:
    """DNSMOS P.835 overall."""

    def judge(samples: np.ndarray) -> float:
        found = feature(QUALITY, samples, rate)
        return -math.inf if found.error else float(found.value["ovrl"])

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
