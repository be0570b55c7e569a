"""The one error that a system raises when it cannot speak."""

from __future__ import annotations


class SpeechError(RuntimeError):
    """Why one utterance has no, or not all of its, audio. The message says what happened and what to do."""
