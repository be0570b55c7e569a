"""DNSMOS P.835 (signal, background, overall) and P.808 (Reddy et al. 2021, 2022): the ONNX files of package speechmos.

onnxruntime runs both on one thread; speechmos itself is not imported. Numbers agree with it to 1e-4 (tested). The level
of the audio is left as it is: unlike most quality models these networks depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.mel import decibels, mel_power
from ttsbench.metrics.models import cheap_digest, one_by_one, onnx_session, packaged, short, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
LENGTH = 144160  # samples of a window (9.01 s); windows start one second apart
# Polynomials from the network's outputs to P.835 (Microsoft's DNS challenge, not personalised), highest power first.
SIG = (-0.08397278, 1.22083953, 0.0052439)
BAK = (-0.13166888, 1.60915514, -0.39604546)
OVRL = (-0.06766283, 1.11546468, 0.04602535)
NETWORKS = {"p835": "sig_bak_ovr", "p808": "model_v8"}


def network_file(what: str) -> Path:
    """The ONNX file of "p835" or "p808"."""
    return packaged("speechmos", f"dnsmos_models/{NETWORKS[what]}.onnx", "speechmos")


def identity(settings: dict[str, str]) -> dict[str, str]:
    """The network that `settings["what"]` names (p835 or p808), its digest, the runtime, the resampling."""
    return {
        "model": f"DNSMOS {settings['what']}",
        "version": version("speechmos"),
        "runtime": f"onnxruntime {version('onnxruntime')}",
        "digest": cheap_digest(network_file(settings["what"])),
        "resampling": settings.get("resampling", "soxr"),
    }


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`; `settings["what"]`: `p835` gives `sig`, `bak`, `ovrl`, `p808` gives `p808`; about 1 to 5.

    Always on the CPU. Setting `resampling`: see metrics/resample.py.
    """
    path, how = network_file(settings["what"]), settings.get("resampling", "soxr")
    judge = (_p835 if settings["what"] == "p835" else _p808)(onnx_session(path))

    def measure(request: Request) -> dict[str, Any]:
        samples = np.clip(read(request.audio, RATE, how, start=request.start), -1.0, 1.0)
        return judge(windows(samples))

    return one_by_one(measure)


def windows(samples: np.ndarray) -> list[np.ndarray]:
    """Samples (n,) doubled until they fill a window of 9.01 s, cut into windows one second apart."""
    while len(samples) < LENGTH:
        samples = np.concatenate([samples, samples])
    count = int(len(samples) // RATE - 9.01) + 1
    ends = [int((index + 9.01) * RATE) for index in range(count)]
    # As in the package: a window is left out where its end, rounded down, comes a sample short.
    pieces = [samples[index * RATE : end] for index, end in enumerate(ends)]
    return [piece for piece in pieces if len(piece) == LENGTH]


def _p835(session: Any) -> Callable[[list[np.ndarray]], dict[str, Any]]:
    def judge(pieces: list[np.ndarray]) -> dict[str, Any]:
        raw = np.stack([session.run(None, {"input_1": piece[None].astype(np.float32)})[0][0] for piece in pieces])
        columns = zip(("sig", "bak", "ovrl"), (SIG, BAK, OVRL), raw.astype(np.float64).T, strict=True)
        return {name: short(np.polyval(curve, values).mean()) for name, curve, values in columns}

    return judge


def _p808(session: Any) -> Callable[[list[np.ndarray]], dict[str, Any]]:
    def judge(pieces: list[np.ndarray]) -> dict[str, Any]:
        values = []
        for piece in pieces:
            mels = (decibels(mel_power(piece[:-160], RATE, 321, 160, 120)) + 40) / 40
            values.append(session.run(None, {"input_1": mels[None].astype(np.float32)})[0])
        return {"p808": short(np.concatenate(values).astype(np.float64).mean())}

    return judge
