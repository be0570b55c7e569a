"""PESQ (ITU-T P.862, P.862.2) and STOI / ESTOI (Taal et al. 2011, Jensen and Taal 2016) of a signal and its reference.

Alignment policy: these compare two signals sample by sample. PESQ aligns in time by itself, STOI does not (a shift of
100 ms takes it from 1.0 to 0.19), so both are only asked of codec round trips, which keep time by construction; both
signals are resampled to 16 kHz and cut to the shorter, nothing else is moved. A difference in length of more than
0.1 s is an error. PESQ is free of gain and says nothing below a quarter of a second or without speech: an error, not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.metrics.models import one_by_one, short, version
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
DIFFERENCE = 0.1  # seconds the two lengths may differ


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Versions of the packages pesq and pystoi."""
    return {"model": "PESQ and STOI", "pesq": version("pesq"), "pystoi": version("pystoi"), "what": settings["what"]}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`; `settings["what"]`: `pesq` gives `wb`, `nb` (MOS-LQO), `stoi` gives `stoi`, `estoi`."""
    what = pesq_pair if settings["what"] == "pesq" else stoi_pair

    def measure(request: Request) -> dict[str, Any]:
        if request.reference is None:
            raise UserError("no reference signal")
        degraded = audio.read_at(request.audio, RATE, start=request.start)
        clean = audio.read_at(request.reference, RATE, start=request.reference_start)
        if abs(len(degraded) - len(clean)) > DIFFERENCE * RATE:
            raise UserError(
                f"{len(degraded) / RATE:.2f} s against {len(clean) / RATE:.2f} s: not aligned in time, "
                "so neither PESQ nor STOI means anything"
            )
        size = min(len(degraded), len(clean))
        return what(clean[:size], degraded[:size])

    return one_by_one(measure)


def pesq_pair(clean: Any, degraded: Any) -> dict[str, Any]:
    """Wide- and narrow-band PESQ of float (n,) at 16 kHz."""
    import pesq

    if len(clean) < RATE // 4:
        raise UserError(f"{len(clean) / RATE:.2f} s: PESQ needs at least 0.25 s")
    if not np.any(degraded) or not np.any(clean):
        raise UserError("one of the signals is silent")
    try:
        return {mode: short(pesq.pesq(RATE, clean, degraded, mode)) for mode in ("wb", "nb")}
    except pesq.PesqError as fault:
        text = fault.args[0].decode() if fault.args and isinstance(fault.args[0], bytes) else str(fault)
        raise UserError(f"PESQ: {text or type(fault).__name__}") from fault


def stoi_pair(clean: Any, degraded: Any) -> dict[str, Any]:
    """STOI and ESTOI of float (n,) at 16 kHz; raises ValueError where pystoi would answer 1e-5 for want of frames."""
    import warnings

    from pystoi import stoi

    if not np.any(degraded) or not np.any(clean):
        raise UserError("one of the signals is silent")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            plain = stoi(clean, degraded, RATE, extended=False)
            # The extended form adds noise at rounding level from NumPy's global generator: pin it, then put it back.
            state = np.random.get_state()
            np.random.seed(0)
            try:
                extended = stoi(clean, degraded, RATE, extended=True)
            finally:
                np.random.set_state(state)
        except RuntimeWarning as fault:
            raise UserError("STOI: fewer than 30 frames (0.4 s) within 40 dB of the loudest") from fault
    return {"stoi": short(plain), "estoi": short(extended)}
