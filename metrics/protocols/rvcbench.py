"""RVCBench (NeurIPS 2026): clones under changed input, text and noise; its four models that run here."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.protocols._common import OURS, SINC, explain, utmos
from ttsbench.metrics.sim import sim
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol

ECAPA = "speakers.speechbrain_ecapa"
MEDIUM = (("model", "openai-whisper-medium"), ("windows", "all"))
RULES = {"en": "rvcbench-en", "fr": "rvcbench-en", "de": "rvcbench-en", "es": "rvcbench-en", "zh": "rvcbench-zh"}
SAME = 0.25  # cosine above which SpeechBrain's verification calls two voices one


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="rvcbench",
        version=1,
        title="RVCBench: onboarding, core and full suites",
        explain=explain(
            "Recogniser: OpenAI's Whisper medium by its own transcribe (all windows, temperatures 0 to 1 where a "
            "window is doubtful, seeded for each file, language given, no timestamps, nothing carried over), "
            "float32. soxr HQ to 16 kHz (theirs: FFmpeg's).",
            "WER: mean of utterance rates, not capped. English and the others: ASCII punctuation out, lower case, "
            "numbers as they are. Chinese: words cut by jieba, so a wrong cut is an error of the text.",
            "SIM and SVA: SpeechBrain's ECAPA-TDNN, cosine with the recording of the same text, not with the "
            "prompt; SVA is the share of rows above 0.25. UTMOS22 strong: brought to 24 kHz and then to 16 kHz, "
            "torchaudio's sinc both times. STOI of codec round trips only.",
            "Left out: STOI of clones, which they cut to the shorter: two readings of a text are not aligned in "
            "time; MCD by pymcd, which warps time (protocol prosody has the MCD of codec round trips, unwarped); the "
            "match of emotions, by a wav2vec 2.0 tuned on IEMOCAP whose code comes from the hub with its weights. "
            "Theirs: a task with a missing or bad file has no mean at all. "
            + OURS
            + " A file equal to its recording is noted on its row; theirs rejects it.",
            steps=("rvcbench-en", "rvcbench-zh"),
        ),
        measures=(
            wer("recognisers.whisper_openai", RULES, settings=MEDIUM),
            sim(ECAPA, "recording", "sim", "SIM", SINC),
            sim(ECAPA, "recording", "sva", "SVA", SINC, threshold=SAME),
            utmos("sinc", ("through", "24000")),
            intrusive("stoi"),
            copied(),
        ),
        languages=tuple(RULES),
        models=("openai-whisper-medium", "spkrec-ecapa-voxceleb", "utmos22-strong"),
        source="rvcbench 2.2.1 (arXiv 2602.00443)",
    )
