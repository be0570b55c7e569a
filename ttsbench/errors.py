"""The exception for messages to the user. The command line prints these without a traceback, and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """What was asked cannot be done. The message names the file, line or option, the value, and what to do."""


class MissingFile(UserError, FileNotFoundError):
    """A file or folder that has to be made or fetched first; the message says how."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: "no metric 'werr'; did you mean 'wer'?", else what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1) or [each for each in names if each.lower() == name.lower()]
    return f"no {kind} {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}")
