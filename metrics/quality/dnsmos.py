"""DNSMOS P.835 (signal, background, overall) and P.808 (Reddy et al. 2021, 2022), from speechmos's ONNX files.

The files are run directly and on one thread; the package loads librosa and runs each window on all cores. Numbers
agree with the package to 1e-4 (tested). Unlike most quality models these hear loudness, so nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    judge = _p835(_session(NETWORKS[what])) if what == "p835" else _p808(_session(NETWORKS[what]))

    def measure(request: Request) -> dict[str, Any]:
        samples = np.clip(audio.read_at(request.audio, RATE, start=request.start), -1.0, 1.0)
        return judge(windows(samples))

    return one_by_one(measure)


def windows(samples: np.ndarray) -> list[np.ndarray]:
    """Pieces of 9.01 s, one second apart, of samples (n,) doubled until they fill one."""
    import numpy as np

    while len(samples) < LENGTH:
        samples = np.concatenate([samples, samples])
    count = int(len(samples) // RATE - 9.01) + 1
    pieces = [samples[index * RATE : int((index + 9.01) * RATE)] for index in range(count)]
    # As in the package: where 9.01 rounds down to a sample short, the window is left out.
    return [piece for piece in pieces if len(piece) == LENGTH]


def _session(name: str) -> Any:
    try:
        import onnxruntime
    except ImportError as fault:
        raise MissingModel("DNSMOS needs onnxruntime: pip install onnxruntime") from fault
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = packaged("speechmos", f"dnsmos_models/{name}.onnx", "speechmos")
    return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


def _p835(network: Any) -> Callable[[list[np.ndarray]], dict[str, Any]]:
    import numpy as np

    def judge(pieces: list[np.ndarray]) -> dict[str, Any]:
        # One by one: eight in a batch take 1.6 times as long, they fall out of the processor's cache.
        raw = np.concatenate([network.run(None, {"input_1": piece[None]})[0] for piece in pieces]).astype(np.float64)
        rows = zip(("sig", "bak", "ovrl"), (SIG, BAK, OVRL), raw.T, strict=True)
        return {name: short(np.polyval(curve, value).mean()) for name, curve, value in rows}

    return judge


def _p808(network: Any) -> Callable[[list[np.ndarray]], dict[str, Any]]:
    import numpy as np

    from ttsbench.metrics.mel import decibels, mel_power

    def judge(pieces: list[np.ndarray]) -> dict[str, Any]:
        values = []
        for piece in pieces:
            mels = (decibels(mel_power(piece[:-160], RATE, 321, 160, 120)) + 40) / 40
            values.append(network.run(None, {"input_1": mels[None].astype(np.float32)})[0])
        return {"p808": short(np.concatenate(values).astype(np.float64).mean())}

    return judge
