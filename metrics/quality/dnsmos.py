"""DNSMOS P.835 (signal, background, overall) and P.808 (Reddy et al. 2021, 2022), from speechmos's ONNX files.

P.808 runs as it is, on one thread; P.835, ten times as costly, runs in torch and shares work between windows (p835.py).
Numbers agree with the package, which loads librosa and runs each window on all cores, to 1e-4 (tested). Unlike most
quality models these hear loudness, so nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsbench.metrics.models import MissingModel, cheap_digest, one_by_one, packaged, short, version
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np

BATCH = 4
RATE = 16000
LENGTH = 144160  # samples of a window (9.01 s); windows start one second apart
# Polynomials from raw outputs to P.835 (Microsoft's DNS challenge, not personalised), highest power first.
SIG = (-0.08397278, 1.22083953, 0.0052439)
BAK = (-0.13166888, 1.60915514, -0.39604546)
OVRL = (-0.06766283, 1.11546468, 0.04602535)


NETWORKS = {"p835": "sig_bak_ovr", "p808": "model_v8"}


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Name, version and digest of the network that `settings["what"]` names: p835 or p808."""
    file = packaged("speechmos", f"dnsmos_models/{NETWORKS[settings['what']]}.onnx", "speechmos")
    return {"model": f"DNSMOS {settings['what']}", "version": version("speechmos"), "digest": cheap_digest(file)}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`; `settings["what"]`: `p835` gives `sig`, `bak`, `ovrl`, `p808` gives `p808`; about 1 to 5."""
    import numpy as np

    from ttsbench import audio

    what = settings["what"]
    path = packaged("speechmos", f"dnsmos_models/{NETWORKS[what]}.onnx", "speechmos")
    judge = _p835(path) if what == "p835" else _p808(path)

    def measure(request: Request) -> dict[str, Any]:
        samples = np.clip(audio.read_at(request.audio, RATE, start=request.start), -1.0, 1.0)
        return judge(*windows(samples))

    return one_by_one(measure)


def windows(samples: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Samples (n,) doubled until they fill a window of 9.01 s, and where the windows begin, one second apart."""
    import numpy as np

    while len(samples) < LENGTH:
        samples = np.concatenate([samples, samples])
    count = int(len(samples) // RATE - 9.01) + 1
    # As in the package: a window is left out where its end, rounded down, comes a sample short.
    whole = [index for index in range(count) if min(int((index + 9.01) * RATE), len(samples)) - index * RATE == LENGTH]
    return samples, [index * RATE for index in whole]


def _p835(path: Path) -> Callable[[np.ndarray, list[int]], dict[str, Any]]:
    import numpy as np

    from ttsbench.metrics.quality.p835 import P835

    network = P835(path)

    def judge(samples: np.ndarray, starts: list[int]) -> dict[str, Any]:
        rows = zip(("sig", "bak", "ovrl"), (SIG, BAK, OVRL), network(samples, starts).T, strict=True)
        return {name: short(np.polyval(curve, value).mean()) for name, curve, value in rows}

    return judge


def _p808(path: Path) -> Callable[[np.ndarray, list[int]], dict[str, Any]]:
    import numpy as np

    try:
        import onnxruntime
    except ImportError as fault:
        raise MissingModel("DNSMOS needs onnxruntime: pip install onnxruntime") from fault

    from ttsbench.metrics.mel import decibels, mel_power

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    network = onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])

    def judge(samples: np.ndarray, starts: list[int]) -> dict[str, Any]:
        values = []
        for start in starts:
            piece = samples[start : start + LENGTH - 160]
            mels = (decibels(mel_power(piece, RATE, 321, 160, 120)) + 40) / 40
            values.append(network.run(None, {"input_1": mels[None].astype(np.float32)})[0])
        return {"p808": short(np.concatenate(values).astype(np.float64).mean())}

    return judge
