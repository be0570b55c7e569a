"""How much of the machine other programs use while a system speaks: a timing taken beside them is not the system's."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from dataclasses import dataclass

import psutil

WINDOW = 1.0  # s; the system counts time in steps of 10 ms, so a shorter row is judged with what came before it


@dataclass(frozen=True)
class Use:
    """Of one row: `cpu`, seconds of processor time of the system and what it started; `others`, the share (0 to 1) of
    all cores' time that other programs used; `load`, the load average of the last minute (None where there is none).
    """

    cpu: float
    others: float
    load: float | None


@dataclass(frozen=True)
class _Moment:
    at: float
    used: float  # seconds of all cores since the machine's start, idle and waiting left out
    own: float  # seconds of this process and all that it started
    ours: float  # the same of the harness, which started this process and others beside it


class Watch:
    """Looks at the machine before and after each row."""

    def __init__(self) -> None:
        self._cores = psutil.cpu_count() or 1
        self._past: deque[_Moment] = deque([_now()])

    def begin(self) -> None:
        """A row begins."""
        self._past.append(_now())

    def end(self) -> Use:
        """What was used since `begin`; others are judged over at least `WINDOW` seconds where so much has passed."""
        begun, now = self._past[-1], _now()
        self._past.append(now)
        while len(self._past) > 2 and now.at - self._past[1].at >= WINDOW:
            self._past.popleft()
        since = self._past[0] if now.at - begun.at < WINDOW else begun
        others = now.used - since.used - (now.ours - since.ours)
        share = others / max(1e-9, (now.at - since.at) * self._cores)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return Use(round(now.own - begun.own, 3), round(min(1.0, max(0.0, share)), 3), load and round(load, 2))


def _now() -> _Moment:
    times = psutil.cpu_times()
    used = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
    used -= getattr(times, "guest_nice", 0.0)  # Linux counts guests' time as the user's too
    worker, parent = psutil.Process(), multiprocessing.parent_process()
    harness = psutil.Process(parent.pid) if parent and parent.pid else worker  # never the shell, nor what it started
    return _Moment(time.monotonic(), used, _seconds(worker), _seconds(harness))


def _seconds(process: psutil.Process) -> float:
    """Processor seconds of a process, its living children, and those that they have waited for."""
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.Error:  # it has ended just now
            continue
        seconds += times.user + times.system
        seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return seconds
