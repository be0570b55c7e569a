"""Progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class Progress:
    """One progress bar on standard error; a line for whatever begins where that is no terminal, but a file or a CI."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._key: tuple[str, str, int] | None = None

    def named(self, title: str) -> Callable[[int, int, str], None]:
        """A callback (done, total, what) that drives this bar."""

        def note(done: int, total: int, what: str) -> None:
            key, before = (title, what, total), self._key
            if not sys.stderr.isatty():
                self._key = key
                if key != before and done < total:
                    print(f"{title}: {what}, {done} of {total} done", file=sys.stderr, flush=True)
                return
            from tqdm import tqdm

            if key != before:
                self.close()
                self._key = key
                self._bar = tqdm(total=total, desc=f"{title}: {what}", leave=False, dynamic_ncols=True)
            self._bar.n = done
            self._bar.refresh()

        return note

    def say(self, text: str) -> None:
        """A line for the reader, above the bar."""
        self.close()
        print(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._key = None, None
