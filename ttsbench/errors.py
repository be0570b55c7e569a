"""The exception for messages to the user. The command line prints these without a traceback, and nothing else."""

from __future__ import annotations


class UserError(ValueError):
    """What was asked cannot be done. The message names the file, line or option, the value, and what to do."""
