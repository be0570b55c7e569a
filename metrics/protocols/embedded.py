"""The protocol that needs no download at run time: every model lies inside a package (extra `judges`)."""

from __future__ import annotations

from ttsbench.metrics.checks import checks
from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.mos import distillmos, dnsmos
from ttsbench.metrics.protocols._common import FASTER, explain
from ttsbench.metrics.sim import sim
from ttsbench.metrics.timing import chunk_gap, first_audible, first_chunk, leading_silence, length_ratio, rtf, stalled
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol

GE2E = "Wan, Wang, Papir, Lopez Moreno: Generalized end-to-end loss for speaker verification, ICASSP 2018"
BASE = (("model", "faster-whisper-base"),)
SECOND: dict[str, tuple[tuple[str, str], ...]] = {"en": (("model", "faster-whisper-tiny.en"),)}
LINES = (
    "Recogniser: Whisper base, multilingual (faster-whisper; int8 on the CPU, float16 on CUDA), greedy, temperature "
    "0, language and task forced, no timestamps, nothing carried over. Audio of more than 30 s is cut at the quietest "
    "tenth of a second of each window's last 5 s. English has WER and CER (spaces counted), Chinese CER.",
    "Guards: a transcript that repeats itself (zlib ratio above 2.4) or is probably no speech (probability above 0.6 "
    "and mean log probability below -1) is flagged and counted as it is; nothing is recognised again at another "
    "temperature.",
    "Second opinion: Whisper tiny.en hears each English row too. Where the two error rates lie more than 30 points "
    "apart the row is marked `recogniser unsure`; the value stays that of Whisper base.",
    "Numbers and currency: English by Whisper's normaliser on both sides, numbers in digits, $5 and five dollars the "
    "same. Chinese in digits on both sides too: a number, per cent or a sum of money is the same in words and in "
    "signs, and so are the two words for two.",
    "A missing, empty or unreadable output counts as 100 % and is listed. Headline: mean of utterance rates; the "
    "corpus rate stands beside it.",
    "Speaker: GE2E (Resemblyzer), cosine of output and prompt (SIM-o), and of output and the prompt after the "
    "system's own codec (SIM-r, where the system has one). In a continuation the prompt is cut off the output first.",
    "Quality: DistillMOS and DNSMOS P.835 OVRL; SIG, BAK and P.808 stand in the CSV file. PESQ and STOI of codec "
    "round trips only.",
    "What they hear: 16 kHz by soxr HQ, channels averaged, no loudness changed and no silence cut before a model. "
    "DNSMOS P.835 hears the level as it is; GE2E, too, but raises what is below -30 dBFS (RMS) to it; DistillMOS and "
    "DNSMOS P.808 bring each window to one peak; Whisper's spectrum is relative to its loudest part. GE2E cuts out "
    "long silences; the others hear them.",
    "Clip checks (column Flagged): rules that point at rows to listen to, and judge no quality.",
    "Speed: the harness's clock, one request at a time.",
)


def make() -> Protocol:
    """Put the protocol together. Its columns are the same on every machine."""
    english, chinese = {"en": "whisper-en"}, {"en": "whisper-en", "zh": "plain-zh"}
    return Protocol(
        name="embedded",
        version=2,
        title="Embedded: no download at run time, no accelerator",
        explain=explain(*LINES, steps=("whisper-en", "plain-zh")),
        measures=(
            wer(FASTER, english, settings=BASE, second=SECOND, why_not="words are counted in English only, see CER"),
            wer(FASTER, chinese, "cer", "CER", "character", BASE, why_not="no text rules for it here"),
            sim("speakers.ge2e", citation=GE2E),
            sim("speakers.ge2e", "resynthesised prompt", name="sim-r", title="SIM-r", citation=GE2E),
            distillmos(),
            *(dnsmos(key, headline=key == "ovrl") for key in ("ovrl", "sig", "bak", "p808")),
            *(intrusive(key) for key in ("wb", "nb", "stoi", "estoi")),
            rtf(),
            first_chunk(),
            first_audible(),
            leading_silence(),
            stalled(),
            chunk_gap(),
            length_ratio(),
            checks(FASTER, chinese, BASE),
        ),
        languages=("en", "zh"),
        models=("faster-whisper-base", "faster-whisper-tiny.en", "distillmos", "ge2e", "dnsmos"),
        source="ttsbench",
    )
