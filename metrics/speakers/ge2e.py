"""GE2E speaker encoder (Wan et al. 2018) with the weights inside the Resemblyzer package, in plain torch.

The package itself is not imported: it pulls in librosa, an outdated SciPy name and pkg_resources, and unpickles its
weights. The steps are its own: at least -30 dBFS, long silences cut by WebRTC's detector, mel spectrogram, partial
utterances of 1.6 s at 1.3 a second through three LSTM layers, mean of the unit vectors, unit length again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.mel import mel_power
from ttsbench.metrics.models import MissingModel, cheap_digest, one_by_one, pack, packaged, version
from ttsbench.records import Feature, Request

BATCH = 8
RATE = 16000
FRAME, WINDOW, BANDS, HIDDEN = 160, 400, 40, 256  # samples, samples, mel bands, units
PARTIAL, STEP, COVERAGE = 160, 77, 0.75  # frames of a partial utterance; 1.3 a second; least filled part of the last
LOUDNESS = -30.0  # dBFS
VAD_WINDOW, VAD_SMOOTH, VAD_REACH = 480, 8, 6  # samples (30 ms); windows averaged; windows kept around speech


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Name, version and digest of the packaged weights."""
    weights = packaged("resemblyzer", "pretrained.pt", "Resemblyzer")
    return {"model": "Resemblyzer GE2E", "version": version("Resemblyzer"), "digest": cheap_digest(weights)}


def slices(samples: int) -> list[int]:
    """First frames of the partial utterances of audio of so many samples."""
    frames = -(-(samples + 1) // FRAME)
    starts = list(range(0, max(1, frames - PARTIAL + STEP + 1), STEP))
    filled = (samples - starts[-1] * FRAME) / (PARTIAL * FRAME)
    return starts[:-1] if filled < COVERAGE and len(starts) > 1 else starts


def speech(samples: np.ndarray) -> np.ndarray:
    """`samples` (n,) at 16 kHz raised to -30 dBFS and without long silences; raises ValueError without any speech."""
    try:
        import _webrtcvad as vad  # the module below webrtcvad's wrapper, which needs pkg_resources
    except ImportError as fault:
        raise MissingModel("package webrtcvad is not installed: pip install webrtcvad") from fault

    root = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    if root == 0.0:
        raise UserError("no speech: the audio is silent")
    gain = 10.0 ** ((LOUDNESS - 20.0 * np.log10(root)) / 20.0)
    samples = samples * np.float32(max(1.0, gain))
    samples = samples[: len(samples) - len(samples) % VAD_WINDOW]
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
    detector = vad.create()
    vad.init(detector)
    vad.set_mode(detector, 3)
    windows = pcm.reshape(-1, VAD_WINDOW)
    voiced = np.array([vad.process(detector, RATE, window.tobytes(), VAD_WINDOW) for window in windows], dtype=float)
    if not voiced.any():
        raise UserError("no speech: the voice activity detector found none")
    around = np.concatenate([np.zeros((VAD_SMOOTH - 1) // 2), voiced, np.zeros(VAD_SMOOTH // 2)])
    mean = np.convolve(around, np.ones(VAD_SMOOTH) / VAD_SMOOTH, mode="valid")
    # np.round sends a half to even, so that four voiced windows of eight are not speech, as in the package.
    kept = np.convolve(np.round(mean), np.ones(VAD_REACH + 1), mode="full")[VAD_REACH // 2 :][: len(voiced)] > 0.5
    if not kept.any():
        raise UserError("no speech: less than a quarter of a second of it in one place")
    return np.asarray(windows_of(samples)[kept].reshape(-1), dtype=np.float32)


def windows_of(samples: np.ndarray) -> np.ndarray:
    """(n,) as (n / VAD_WINDOW, VAD_WINDOW)."""
    return samples.reshape(-1, VAD_WINDOW)


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: unit vectors of 256 values. One file at a time, so none depends on its neighbours."""
    import torch

    weights = packaged("resemblyzer", "pretrained.pt", "Resemblyzer")
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    lstm = torch.nn.LSTM(BANDS, HIDDEN, 3, batch_first=True)
    linear = torch.nn.Linear(HIDDEN, HIDDEN)
    lstm.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("lstm.")})
    linear.load_state_dict({key[7:]: value for key, value in state.items() if key.startswith("linear.")})
    lstm, linear = lstm.to(device).eval(), linear.to(device).eval()

    @torch.inference_mode()
    def embed(request: Request) -> dict[str, Any]:
        samples = speech(audio.read_at(request.audio, RATE, start=request.start))
        starts = slices(len(samples))
        end = (starts[-1] + PARTIAL) * FRAME
        mels = mel_power(np.pad(samples, (0, max(0, end - len(samples)))), RATE, WINDOW, FRAME, BANDS)
        batch = torch.from_numpy(np.stack([mels[start : start + PARTIAL] for start in starts])).to(device)
        hidden = lstm(batch)[1][0][-1]
        vectors = torch.nn.functional.normalize(torch.relu(linear(hidden)), dim=1).mean(0).cpu().double().numpy()
        return pack(vectors / np.linalg.norm(vectors))

    return one_by_one(embed)
