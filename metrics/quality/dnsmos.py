"""DNSMOS P.835 (signal, background, overall) and P.808 (Reddy et al. 2021, 2022), from speechmos's ONNX files.

The files are run directly and on one thread; the package loads librosa and runs each window on all cores. Numbers
agree with the package to 1e-4 (tested). Unlike most quality models these hear loudness, so nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics.models import cheap_digest, one_by_one, packaged, short, version
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
LENGTH = 144160  # samples of a window (9.01 s); windows start one second apart
# Polynomials from raw outputs to P.835 (Microsoft's DNS challenge, not personalised), highest power first.
SIG = (-0.08397278, 1.22083953, 0.0052439)
BAK = (-0.13166888, 1.60915514, -0.39604546)
OVRL = (-0.06766283, 1.11546468, 0.04602535)


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Name, version and digests of both networks."""
    files = [packaged("speechmos", f"dnsmos_models/{name}.onnx", "speechmos") for name in ("sig_bak_ovr", "model_v8")]
    return {
        "model": "DNSMOS P.835 and P.808",
        "version": version("speechmos"),
        "digest": "-".join(cheap_digest(file) for file in files),
    }


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `sig`, `bak`, `ovrl`, `p808`, each about 1 to 5."""
    import numpy as np
    import onnxruntime

    from ttsbench import audio
    from ttsbench.metrics.mel import decibels, mel_power

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def session(name: str) -> onnxruntime.InferenceSession:
        path = packaged("speechmos", f"dnsmos_models/{name}.onnx", "speechmos")
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])

    p835, p808 = session("sig_bak_ovr"), session("model_v8")

    def windows(samples: np.ndarray) -> np.ndarray:
        while len(samples) < LENGTH:
            samples = np.concatenate([samples, samples])
        count = int(len(samples) // RATE - 9.01) + 1
        pieces = [samples[index * RATE : int((index + 9.01) * RATE)] for index in range(count)]
        # As in the package: where 9.01 rounds down to a sample short, the window is left out.
        return np.stack([piece for piece in pieces if len(piece) == LENGTH])

    def measure(request: Request) -> dict[str, Any]:
        samples = np.clip(audio.read_at(request.audio, RATE, start=request.start), -1.0, 1.0)
        pieces = windows(samples)
        raw, listened = [], []
        for piece in pieces:  # one by one: eight in a batch take 1.6 times as long, they fall out of the cache
            raw.append(p835.run(None, {"input_1": piece[None]})[0])
            mels = (decibels(mel_power(piece[:-160], RATE, 321, 160, 120)) + 40) / 40
            listened.append(p808.run(None, {"input_1": mels[None].astype(np.float32)})[0])
        sig, bak, ovrl = np.concatenate(raw).astype(np.float64).T
        return {
            "sig": short(np.polyval(SIG, sig).mean()),
            "bak": short(np.polyval(BAK, bak).mean()),
            "ovrl": short(np.polyval(OVRL, ovrl).mean()),
            "p808": short(np.concatenate(listened).astype(np.float64).mean()),
        }

    return one_by_one(measure)
