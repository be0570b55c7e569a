"""Signs of hallucinated transcripts: flags that are reported beside a transcript, which stays as it is."""

from __future__ import annotations

import zlib

WINDOW = 30.0  # seconds of Whisper's input
REPEATS = 2.4  # zlib's compression ratio, above which Whisper's own code calls a text a loop
NO_SPEECH = 0.6  # probability of the no-speech token
UNSURE = -1.0  # mean log probability a token


def flags(text: str, seconds: float, limit: float, no_speech: float = 0.0, logprob: float = 0.0) -> list[str]:
    """Plain words for: longer than `limit` seconds, a loop, probably no speech (thresholds of openai-whisper)."""
    found = []
    if seconds > limit:
        found.append(f"only the first {limit:.0f} of {seconds:.1f} s were recognised")
    data = text.encode()
    if data and len(data) / len(zlib.compress(data)) > REPEATS:
        found.append("the transcript repeats itself")
    if no_speech > NO_SPEECH and logprob < UNSURE:
        found.append(f"probably no speech (probability {no_speech:.2f}, mean log probability {logprob:.2f})")
    return found
