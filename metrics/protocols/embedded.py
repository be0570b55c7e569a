"""The protocol that needs no download: every model lies inside a package."""

from __future__ import annotations

from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.mos import dnsmos
from ttsbench.metrics.sim import sim
from ttsbench.metrics.timing import first_audible, first_chunk, length_ratio, rtf, stalled
from ttsbench.metrics.weights import whisper_here
from ttsbench.metrics.wer import wer
from ttsbench.records import Measure, Protocol

GE2E = "Wan, Wang, Papir, Lopez Moreno: Generalized end-to-end loss for speaker verification, ICASSP 2018"
EXPLAIN = """\
Recogniser: CMU PocketSphinx with its own English model, whole file at 16 kHz, cepstral means over the utterance, 3,000
active HMMs a frame at most. It is blunt (60 % WER on real recordings of LibriSpeech test-other): read every error rate
beside the ground truth's. No other language has a recogniser here: those columns say so.
Where a checkpoint of openai-whisper lies on this machine, the largest one recognises too, in columns of its own, and
for all languages; nothing is downloaded for it.
Text: rules plain-en on both sides; CER counts spaces. Mean of utterances and corpus rate are both given.
A missing, empty or unreadable output counts as 100 % and is listed.
Speaker: GE2E (Resemblyzer), cosine of output and prompt (SIM-o), and of output and the prompt after the system's own
codec (SIM-r, where the system has one). In a continuation the prompt is cut off the output first.
Quality: DNSMOS P.835 and P.808 at 16 kHz, level as it is. PESQ and STOI of codec round trips only.
Speed: the harness's clock, one request at a time. Resampling: soxr HQ everywhere. Channels are averaged.
"""


def whisper_columns() -> tuple[Measure, ...]:
    """WER and CER by the largest Whisper that is here; nothing where there is none."""
    size = whisper_here()
    if not size:
        return ()
    settings = (("model", f"openai-whisper-{size}"),)
    words = {"en": "whisper-en"}
    letters = {"en": "whisper-en", "zh": "plain-zh"}
    recogniser, stem = "recognisers.whisper_openai", f"whisper-{size}"
    return (
        wer(recogniser, words, f"wer-{stem}", f"WER (Whisper {size})", settings=settings),
        wer(recogniser, letters, f"cer-{stem}", f"CER (Whisper {size})", "character", settings=settings),
    )


def make() -> Protocol:
    """Put the protocol together."""
    english = {"en": "plain-en"}
    nobody = "no recogniser for it lies inside a package"
    sphinx = "recognisers.pocketsphinx"
    return Protocol(
        name="embedded",
        version=1,
        title="Embedded: no download, no accelerator",
        explain=EXPLAIN,
        measures=(
            wer(sphinx, english, why_not=nobody),
            wer(sphinx, english, name="cer", title="CER", unit="character", why_not=nobody),
            *whisper_columns(),
            sim("speakers.ge2e", citation=GE2E),
            sim("speakers.ge2e", "resynthesised prompt", name="sim-r", title="SIM-r", citation=GE2E),
            *(dnsmos(key) for key in ("ovrl", "sig", "bak", "p808")),
            *(intrusive(key) for key in ("wb", "nb", "stoi", "estoi")),
            rtf(),
            first_chunk(),
            first_audible(),
            stalled(),
            length_ratio(),
        ),
        languages=("en",),
        models=("pocketsphinx", "ge2e", "dnsmos"),
        source="ttsbench",
    )
