"""Start an outside program so that all it starts dies with it, and say in words how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ttsbench.systems.errors import SpeechError

# A shell that waits for our end of its pipe to close, which happens even if we are killed, then ends the group.
_GUARD = 'read _; kill -s KILL -- "-$1" 2>/dev/null'


class Program:
    """A running program in a process group of its own; standard error is kept in the file `log`."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        stdin: int | IO[Any],
        stdout: int | IO[Any] | None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = Path(argv[0]).name
        if not hasattr(os, "killpg"):
            raise SpeechError(
                f"{self.name}: outside programs run in process groups, which Windows has none of; use WSL"
            )
        self.log = log
        with open(log, "wb") as errors:
            try:
                self.process = subprocess.Popen(
                    argv,
                    stdin=stdin,
                    stdout=errors if stdout is None else stdout,
                    stderr=errors,
                    cwd=folder,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            except FileNotFoundError as fault:
                raise SpeechError(f"{argv[0]}: no such program; install it or correct argv in the card") from fault
            except (OSError, ValueError) as fault:  # not executable, or a NUL byte or lone surrogate in an argument
                raise SpeechError(f"{self.name} cannot be started: {fault}") from fault
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def read(self, until: float) -> bytes:
        """The next bytes of standard output; b"" at its end. Raises SpeechError past `until` (monotonic seconds)."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise SpeechError(f"{self.name} was still not done at its time limit{self.last_words()}")
        return os.read(descriptor, 1 << 16)

    def wait(self, until: float) -> None:
        """Wait for the end; raises SpeechError past `until`, or if the program failed."""
        try:
            status = self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as fault:
            raise SpeechError(f"{self.name} was still not done at its time limit{self.last_words()}") from fault
        if status:
            raise SpeechError(f"{self.name} {how_it_ended(status)}{self.last_words()}")

    def last_words(self, lines: int = 3, characters: int = 400) -> str:
        """The last lines of standard error, for an error message."""
        with contextlib.suppress(OSError), open(self.log, "rb") as handle:
            handle.seek(max(0, self.log.stat().st_size - 4 * characters))
            text = [line.strip() for line in handle.read().decode("utf-8", "replace").splitlines() if line.strip()]
            if text:
                return "; it said: " + " | ".join(text[-lines:])[-characters:]
        return "; it said nothing on standard error"

    def end(self) -> None:
        """Kill whatever of the group still lives."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self.guard.kill()  # before its pipe closes: the group's number may soon belong to somebody else
        self.guard.wait()
        assert self.guard.stdin is not None
        self.guard.stdin.close()


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"
