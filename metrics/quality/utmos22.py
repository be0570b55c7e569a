"""UTMOS22 strong learner (Saeki et al. 2022) in plain torch, for the checkpoint that SpeechMOS publishes.

wav2vec 2.0 base, one fixed domain and one fixed judge vector, a two-way LSTM, two linear layers; the score is twice the
mean over frames plus 3. Each file goes alone: padding changes the first layer's group norm and with it the score
(UTMOS22#22), so a score never depends on the batch. Nominally 1 to 5, not bounded. Names are the checkpoint's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import one_by_one, short
from ttsbench.metrics.resample import How, convert, read
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import torch

BATCH = 4
RATE = 16000
LONGEST = 120.0  # seconds; attention over more does not fit into memory
SHORTEST = 400  # samples of one frame
NAME = "utmos22-strong"


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights and settings."""
    return {**weights.identity(NAME), "version": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features `{"utmos": ...}`. Settings: resampling, `through` (Hz, a rate on the way to 16
    kHz), `longest` (s, what is heard; without it a file above 120 s is an error)."""
    path = weights.weights_file(NAME)
    import torch

    from ttsbench.metrics.quality.utmos22_model import Utmos22  # torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    model = Utmos22(layers=sum(name.endswith(".fc1.weight") for name in state))
    model.load(state)
    model = model.to(device).eval()
    how, longest = cast("How", settings.get("resampling", "soxr")), float(settings.get("longest", 0))
    through = int(settings.get("through", RATE))

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples = convert(read(request.audio, through, how, start=request.start), through, RATE, how)
        samples = samples[: round(longest * RATE)] if longest else samples
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is too short to judge")
        if len(samples) > LONGEST * RATE:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.0f} s, at most {LONGEST:.0f} s can be judged")
        return {"utmos": short(float(score(model, torch.from_numpy(samples.copy()).to(device))))}

    return one_by_one(measure)


def score(model: Any, wave: torch.Tensor) -> torch.Tensor:
    """The score of one waveform (samples,) at 16 kHz."""
    return model(wave[None])[0]
