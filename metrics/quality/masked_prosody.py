"""Hidden states of the masked prosody model (Wallbridge et al. 2025, arXiv 2506.02584), as TTSDS2 takes them.

Each frame (256 samples at 22.05 kHz) is one of 128 steps of pitch, one of energy, and voiced or not; eight layers of
attention and convolution. TTSDS2 takes the first 1,000 frames (11.6 s).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ttsbench import audio
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.quality.world import CONTOUR_FRAMES, CONTOUR_HOP, CONTOUR_RATE, contour, through
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import torch

BATCH = 4
NAME = "masked-prosody-model"
PITCH, ENERGY = (50.0, 300.0), (0.0, 0.2)  # Hz, root mean square: values beyond count as the limit
WINDOW = 1024  # samples of energy


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, the package that finds pitch, and the version of what is done here."""
    return {**weights.identity(NAME), "pyworld": version("pyworld"), "version": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: `vector` (frames x width, frame after frame), `rows`. Setting: layer from 0."""
    place = weights.weights_file(NAME)
    try:
        import pyworld
        import torch
        import yaml
    except ImportError as fault:
        raise MissingModel(
            f"pitch needs pyworld and PyYAML: pip install 'ttsbench[prosody,paper]' ({fault})"
        ) from fault
    from ttsbench.metrics.quality.masked_prosody_model import MaskedProsody

    about = yaml.safe_load((place.parent / "model_config.yml").read_text(encoding="utf-8"))
    state = torch.load(place, map_location="cpu", weights_only=True)
    model = MaskedProsody.of(state, int(about["n_heads"])).to(device)

    @torch.inference_mode()
    def states(request: Request) -> dict[str, Any]:
        samples = audio.read_at(request.audio, CONTOUR_RATE, start=request.start)
        found = model(steps(samples, pyworld, model.bins).to(device)[None], int(settings["layer"]))[0]
        return {**pack(found.cpu().numpy()), "rows": found.shape[0]}

    return one_by_one(states)


def steps(samples: np.ndarray, world: Any, bins: int) -> torch.Tensor:
    """Of float32 (n,) at 22.05 kHz: int64 (3, frames), steps of pitch and of energy, 0 to `bins`, and voiced or not.

    Pitch is drawn straight through what is unvoiced; where nothing is voiced it lies at its lower limit. The scale
    of pitch begins at 0 Hz, its lower limit at a fifth: so the model was trained.
    """
    import torch

    pitch = contour(samples, world)
    voiced = pitch > 0
    loud = _energy(samples)
    size = min(len(pitch), len(loud))
    drawn = np.clip(through(pitch) if voiced.any() else pitch, *PITCH) / (PITCH[1] - PITCH[0])
    edges = torch.linspace(0, 1, bins)
    rows = [torch.from_numpy(each[:size].astype(np.float32)) for each in (drawn, np.clip(loud, *ENERGY) / ENERGY[1])]
    marks = torch.from_numpy(voiced[:size].astype(np.int64))
    return torch.stack([*(torch.bucketize(row, edges) for row in rows), marks])


def _energy(samples: np.ndarray) -> np.ndarray:
    """Root mean square (frames,) about each frame, of at most 1,000 frames; zeros beyond the ends."""
    squares = np.pad(samples.astype(np.float64) ** 2, WINDOW // 2)
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    at = np.arange(0, len(squares) - WINDOW + 1, CONTOUR_HOP)[:CONTOUR_FRAMES]
    return np.sqrt(np.maximum(sums[at + WINDOW] - sums[at], 0.0) / WINDOW)
