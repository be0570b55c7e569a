"""Pitch, speaking rate, pauses, phone errors by transcript; of codec round trips how pitch and spectrum follow."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.phones import MODEL, phone_errors
from ttsbench.metrics.prosody import measures
from ttsbench.metrics.protocols._common import explain
from ttsbench.records import Protocol

LINES = (
    "Pitch: WORLD's Harvest and StoneMask at 16 kHz, a value each 5 ms, 71 to 800 Hz; mean in Hz of the voiced frames, "
    "range in semitones from the 5th to the 95th percentile.",
    "Codec round trips: correlation (of logarithms) and RMSE in cents over frames voiced in both; mel-cepstral "
    "distortion in dB from WORLD's envelopes (all-pass 0.41, coefficients 1 to 24, without the energy) over the "
    "audible frames of the recording. Nothing is warped in time.",
    "Rate: words, and letters and digits, of the text over the time from the first to the last audible 10 ms (RMS "
    "above 0.01). Pauses: at least 0.2 s without an audible frame.",
    "PER by transcript: Whisper base's words and the text, both turned into phones by one front end (CMU dictionary, "
    "letter rules, pinyin with tones), edits over phones of the text, mean of utterances. Words that sound alike are "
    "no error. No phone recogniser: a phone said wrong counts where another word is heard. English and Mandarin.",
    "Mean pitch, range, rate and pauses have no better direction: read them beside those of the recordings.",
)


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="prosody",
        version=1,
        title="Prosody: pitch, rate, pauses, phone errors, mel-cepstral distortion",
        explain=explain(*LINES),
        measures=(*measures(), phone_errors(), copied()),
        languages=("*",),
        models=(MODEL,),
        source="ttsbench",
    )
