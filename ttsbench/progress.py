"""What a person sees on standard error while work is done: the plan, a bar for the work, a line for what is done.

Where standard error is no terminal but a file or a CI, there are no bars: a line for each stage that begins, and one
for each that ends.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ttsbench.execute.lanes import Stopped


def number_of(count: int, what: str) -> str:
    """ "1 run", "3 runs"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


class Progress:
    """One bar at a time on standard error, and lines above it that stay. Where several do work side by side, each has
    its own, with lines alone; `stop` ends its work at the next row."""

    def __init__(self, bars: bool = True, stop: threading.Event | None = None) -> None:
        self._bars, self._stop = bars and sys.stderr.isatty(), stop
        self._bar: Any = None
        self._stage: tuple[str, str, int] | None = None  # title, what, total
        self._unit = ""  # "B": bytes; else things
        self._begun, self._first = 0.0, 0  # when the stage began, and how many were done by then

    def named(self, title: str, unit: str = "") -> Callable[[int, int, str], None]:
        """A callback (done, total, what) for one system on one test set; with `unit` "B" it is told bytes."""

        def note(done: int, total: int, what: str) -> None:
            if self._stop is not None and self._stop.is_set():
                raise Stopped
            if (title, what, total) != self._stage:
                self._unit = unit
                self._begin(title, what, done, total)
            if self._bar is not None:
                self._bar.update(done - self._bar.n)
            if done >= total:
                self._end(done)

        return note

    def titled(self, title: str) -> Callable[[str], None]:
        """`say` for one system on one test set."""
        return lambda text: self.say(f"{title}: {text}")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._close_bar()
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away, whatever it says."""
        self._close_bar()
        self._stage = None

    def _begin(self, title: str, what: str, done: int, total: int) -> None:
        self.close()
        self._stage, self._begun, self._first = (title, what, total), time.monotonic(), done
        if done >= total:
            return
        if self._bars:
            from tqdm import tqdm

            # `initial`: what was there before does not count as speed
            counted = {"unit": "B", "unit_scale": True, "smoothing": 0.05} if self._unit == "B" else {}
            name = f"{title}: {what}"
            self._bar = tqdm(total=total, initial=done, desc=name, leave=False, dynamic_ncols=True, **counted)
        else:
            print(f"{title}: {what}, {self._share(done, total)} done", file=sys.stderr, flush=True)

    def _end(self, done: int) -> None:
        fresh = done - self._first
        if self._stage is not None and fresh and not self._bars:
            title, what, _ = self._stage
            seconds = time.monotonic() - self._begun
            amount = f"{fresh / 1e6:.1f} MB" if self._unit == "B" else fresh
            print(f"{title}: {what}, {amount} done in {duration(seconds)}", file=sys.stderr, flush=True)
            self._first = done
        self._close_bar()

    def _share(self, done: int, total: int) -> str:
        return f"{100 * done / total:.0f} %" if self._unit == "B" and total else f"{done} of {total}"

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def duration(seconds: float) -> str:
    """'4 s', '3 min', '2 h 05 min'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
