"""The one error that a system raises when it cannot speak."""

from __future__ import annotations

from ttsbench.errors import UserError


class SpeechError(UserError):
    """Why one utterance has no, or not all of its, audio. The message says what happened and what to do."""
