"""What several protocols of published evaluators share: models by name, citations, columns, the text of `explain`."""

from __future__ import annotations

from ttsbench.metrics.mos import quality
from ttsbench.metrics.sim import sim
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import wer
from ttsbench.records import Measure

WHISPER, FASTER, CTC = "recognisers.whisper_hf", "recognisers.faster_whisper", "recognisers.ctc"
PARAFORMER, WAVLM = "recognisers.paraformer", "speakers.wavlm_ecapa"
LARGE_V3 = (("model", "whisper-large-v3"),)
HUBERT = (("model", "hubert-large-ls960-ft"),)
SINC = (("resampling", "sinc"),)
UTMOS = "Saeki et al.: UTMOS, Interspeech 2022"
CHEN = "Chen et al.: WavLM, JSTSP 2022; Desplanques et al.: ECAPA-TDNN, Interspeech 2020"
OURS = "Missing rows: ours counts a missing, empty or unreadable output as 100 % and lists it."
BESIDE = f"{OURS} The columns `-as-published` leave it out."


def explain(*lines: str, steps: tuple[str, ...] = ()) -> str:
    """The lines, then the steps of the named text rules."""
    listed = [f"Text, rules {name} (version {rules(name).version}):\n{rules(name).explain()}" for name in steps]
    return "\n".join([*lines, *listed])


def utmos(resampling: str = "sinc", *more: tuple[str, str]) -> Measure:
    """UTMOS22 strong; the original model resamples inside, with torchaudio's sinc. `more`: settings of the model."""
    about, settings = "UTMOS22 strong, each file alone", (("resampling", resampling), *more)
    return quality("quality.utmos22", "utmos", "utmos", "UTMOS", about, UTMOS, settings, low=-5.0, high=11.0)


def wavlm(resampling: str = "sinc", *more: tuple[str, str]) -> tuple[Measure, Measure]:
    """SIM-o and SIM-r by WavLM large with the ECAPA-TDNN head. `more`: settings of the model."""
    settings = (("resampling", resampling), *more)
    return (
        sim(WAVLM, settings=settings, citation=CHEN),
        sim(WAVLM, "resynthesised prompt", "sim-r", "SIM-r", settings, CHEN),
    )


def seed_columns(english: str, chinese: str) -> tuple[Measure, ...]:
    """Seed's columns: WER by Whisper, CER by Paraformer, each also with missing rows left out."""
    whisper = (*LARGE_V3, ("resampling", "fft"))
    en, zh = {"en": english}, {"zh": chinese}
    only_en, only_zh = "this column is English, Chinese has its own", "this column is Chinese, English has its own"
    return (
        wer(WHISPER, en, settings=whisper, why_not=only_en),
        wer(WHISPER, en, "wer-as-published", "WER as published", "word", whisper, why_not=only_en, missing="skipped"),
        wer(PARAFORMER, zh, "cer", "CER (zh)", why_not=only_zh),
        wer(PARAFORMER, zh, "cer-as-published", "CER (zh) as published", why_not=only_zh, missing="skipped"),
    )


SEED_MODELS = ("whisper-large-v3", "paraformer-zh", "wavlm-large-finetune")
SEED_LINES = (
    "Recogniser: en, Whisper large-v3 (transformers), one 30 s window (longer audio is cut, and flagged), greedy, "
    "language and task forced, float32. zh and hard cases, Paraformer-zh (FunASR), no VAD, no punctuation model.",
    "Resampling to 16 kHz: for Whisper SciPy's FFT to int(n * 16000 / rate) samples, as the original; for Paraformer "
    "soxr HQ (theirs: FunASR's own); for SIM torchaudio's windowed sinc, as the original.",
    "Headline: unweighted mean of utterance rates, not capped; the corpus rate stands beside it. SIM: cosine of output "
    "and prompt, WavLM large + ECAPA, whole file.",
    "Theirs: a row without output is dropped without a word. " + BESIDE,
)
