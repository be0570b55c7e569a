"""SpeechBrain's ECAPA-TDNN on VoxCeleb, put together here: its recipe file, which runs what it names, is not read."""

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
SHORTEST = 1600  # samples
NAME = "spkrec-ecapa-voxceleb"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(NAME), "version": f"speechbrain {version('speechbrain')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: vectors of 192 values, one file at a time: 80 mel bands less their mean over the file."""
    path = weights.weights_file(NAME)
    try:
        import torch
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    except ImportError as fault:
        raise MissingModel(f"{NAME} needs speechbrain: pip install 'ttsbench[paper]' ({fault})") from fault

    model = ECAPA_TDNN(
        input_size=80,
        channels=[1024, 1024, 1024, 1024, 3072],
        kernel_sizes=[5, 3, 3, 3, 1],
        dilations=[1, 2, 3, 4, 1],
        attention_channels=128,
        lin_neurons=192,
    )
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    model = model.to(device).eval()
    bands = Fbank(n_mels=80).to(device)
    how = settings.get("resampling", "soxr")

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.2f} s is too short for a speaker embedding")
        mels = bands(torch.from_numpy(samples.copy())[None].to(device))
        return pack(model(mels - mels.mean(dim=1, keepdim=True))[0, 0].cpu().numpy())

    return one_by_one(measure)
