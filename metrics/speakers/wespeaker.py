"""WeSpeaker's ResNet34 (Wang et al. 2023, arXiv 2210.17016), 256 values for each second of a clip, as TTSDS2 takes it.

Windows of 1 s each 0.5 s, what is left at the end filled up with zeros; 80 logarithmic mel bands as Kaldi computes
them, less their mean over the window (pyannote.audio 3.3.2 does the same around the same network).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, onnx_session, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 4
RATE = 16000
WINDOW, STEP = RATE, RATE // 2  # samples
BANDS = 80
NAME = "wespeaker-resnet34-lm"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, the runtime, and the version of what is done here."""
    return {**weights.identity(NAME), "runtime": f"onnxruntime {version('onnxruntime')}", "version": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `vector` (windows x 256 values, window after window), `rows`. On the CPU."""
    try:
        import torch
        from torchaudio.compliance import kaldi
    except ImportError as fault:
        raise MissingModel(f"WeSpeaker needs torchaudio: pip install 'ttsbench[paper]' ({fault})") from fault

    session = onnx_session(weights.weights_file(NAME))

    def bands(part: torch.Tensor) -> torch.Tensor:
        found = kaldi.fbank(
            part[None] * 32768, num_mel_bins=BANDS, sample_frequency=RATE, window_type="hamming", dither=0.0
        )
        return found - found.mean(dim=0)

    def embed(request: Request) -> dict[str, Any]:
        samples = torch.from_numpy(read(request.audio, RATE, start=request.start))
        whole = max(WINDOW, -(-(len(samples) - WINDOW) // STEP) * STEP + WINDOW)
        parts = torch.nn.functional.pad(samples, (0, whole - len(samples))).unfold(0, WINDOW, STEP)
        found = session.run(["embs"], {"feats": torch.stack([bands(each) for each in parts]).numpy()})[0]
        return {**pack(found), "rows": len(found)}

    return one_by_one(embed)
