"""Whole runs spread over devices: each lane has a device, or several, and does its runs one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

Do = Callable[[int, str, threading.Event], None]


class Stopped(BaseException):
    """Raised within a lane, between two rows, when another lane broke or the user interrupted."""


def lanes_of(spoken: Sequence[bool], device: str) -> dict[str, list[int]]:
    """Numbers of runs by device. `spoken`: whether a run needs one; `device`: one, or several with commas between.

    There are as many lanes as there are runs to speak, or devices if those are fewer; what is left of the devices
    serves the rows of a lane's runs. The same call gives the same lanes, so a run that is resumed has its device again.
    """
    devices = device.split(",")
    count = max(1, min(len(devices), sum(spoken)))
    names = [",".join(devices[first::count]) for first in range(count)]
    found: dict[str, list[int]] = {name: [] for name in names}
    said = 0
    for number, needs in enumerate(spoken):
        found[names[said % count]].append(number)
        said += needs
    return found


def in_lanes(lanes: Mapping[str, Sequence[int]], do: Do) -> None:
    """Call `do(number, device, stop)` for every run of every lane, lanes side by side where there are several.

    A run looks at `stop` between rows and raises `Stopped`. Raises what the first broken lane raised; after an
    interrupt the rows in flight are done first.
    """
    stop, faults = threading.Event(), list[BaseException]()

    def lane(device: str, numbers: Sequence[int]) -> None:
        try:
            for number in numbers:
                if not stop.is_set():
                    do(number, device, stop)
        except Stopped:
            pass
        except BaseException as fault:
            faults.append(fault)
            stop.set()

    threads = [threading.Thread(target=lane, args=each, daemon=True) for each in lanes.items()]
    if len(threads) == 1:  # here, where an interrupt arrives
        for device, numbers in lanes.items():
            for number in numbers:
                do(number, device, stop)
        return
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
        raise
    if faults:
        raise faults[0]
