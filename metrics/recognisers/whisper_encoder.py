"""What Whisper's encoder makes of a clip: one vector, the mean of its last layer over the frames that hold audio."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

BATCH = 8
RATE = 16000
LENGTH = 30 * RATE  # samples that the encoder sees
FRAME = 320  # samples of a frame of its output


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights and package version."""
    return {**weights.identity(settings["model"]), "version": f"faster-whisper {version('faster-whisper')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: vectors of the encoder's width (base: 512) of the first 30 s. Setting: model."""
    place = weights.find(settings["model"])
    try:
        from faster_whisper import WhisperModel
    except ImportError as fault:
        raise MissingModel(f"Whisper needs faster-whisper: pip install 'ttsbench[judges]' ({fault})") from fault
    import numpy as np

    kind, _, index = device.partition(":")
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    model = WhisperModel(
        str(place), device=kind, device_index=int(index or 0), compute_type="float32", cpu_threads=threads,
        local_files_only=True,
    )  # fmt: skip

    def embed(request: Request) -> dict[str, Any]:
        wave = read(request.audio, RATE, start=request.start)[:LENGTH]
        mels = model.feature_extractor(np.pad(wave, (0, LENGTH - len(wave))), 0)
        frames = np.array(model.encode(mels[:, : LENGTH // 160]))[0]
        return pack(frames[: max(1, -(-len(wave) // FRAME))].mean(axis=0))

    return one_by_one(embed)
