"""Phones a second by Allosaurus (Li et al. 2020, arXiv 2002.11800), as TTSDS2 counts them: over all of its phones.

Kaldi's cepstra at the rate of the model's own settings, brought to mean 0 and deviation 1 over the clip, each three
frames put together; a bidirectional LSTM; a phone wherever the best label is no blank and not the phone before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, short
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import torch

BATCH = 4
NAME = "allosaurus-uni2005"
FIXED = {"cmvn": "speaker", "feature_window": 3}  # settings of the published model; others were never published


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, and the version of what is done here."""
    return {**weights.identity(NAME), "version": "1", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `rate`, phones a second (0 where none is heard)."""
    place = weights.weights_file(NAME)
    try:
        import torch
        from torchaudio.compliance import kaldi
    except ImportError as fault:
        raise MissingModel(f"Allosaurus needs torchaudio: pip install 'ttsbench[paper]' ({fault})") from fault

    about = json.loads((place.parent / "pm_config.json").read_text(encoding="utf-8"))
    if odd := {name: about.get(name) for name, value in FIXED.items() if about.get(name) != value}:
        raise MissingModel(f"{place.parent / 'pm_config.json'}: {odd}, where this reads {FIXED} only")
    state = torch.load(place, map_location="cpu", weights_only=True)
    recurrent, linear = _network({name.removeprefix("module."): value for name, value in state.items()})
    recurrent.to(device)
    linear.to(device)
    rate = int(about["sample_rate"])

    @torch.inference_mode()
    def count(request: Request) -> dict[str, Any]:
        samples = torch.from_numpy(read(request.audio, rate, start=request.start))
        if len(samples) < 3 * about["window_size"] * rate:
            raise UserError(f"{request.audio}: {len(samples) / rate:.3f} s are too short to find phones in")
        cepstra = kaldi.mfcc(
            samples[None] * 32768, sample_frequency=rate, num_ceps=about["cep_size"], num_mel_bins=about["bank_size"],
            low_freq=about["low_freq"], high_freq=about["high_freq"] or 0.0, use_energy=about["use_energy"], dither=0.0,
            frame_length=1000 * about["window_size"], frame_shift=1000 * about["window_shift"],
        )  # fmt: skip
        labels = linear(recurrent(threes(cepstra)[:, None].to(device))[0])[:, 0].argmax(dim=-1)
        return {"rate": short(phones(labels.tolist()) / (len(samples) / rate))}

    return one_by_one(count)


def threes(cepstra: torch.Tensor) -> torch.Tensor:
    """Frames (n, d) at mean 0 and deviation 1 each, to (n / 3, 3 d): before, at and after each third; ends wrap."""
    import torch

    even = (cepstra - cepstra.mean(dim=0)) / cepstra.std(dim=0, correction=0).clamp(min=1e-8)
    return torch.cat([even.roll(1, 0), even, even.roll(-1, 0)], dim=1)[::3]


def phones(labels: Sequence[int]) -> int:
    """Phones in a label a frame, 0 the blank; a blank between two equal ones does not part them, as in the package."""
    heard = [label for label in labels if label]
    return sum(label != before for label, before in zip(heard, [0, *heard], strict=False))


def _network(state: dict[str, torch.Tensor]) -> tuple[torch.nn.LSTM, torch.nn.Linear]:
    """The recurrent layers and the one that gives labels, sized as the tensors are."""
    import torch

    prefix = "blstm_layer."
    tensors = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    layers = sum(name.startswith("weight_hh_l") and not name.endswith("_reverse") for name in tensors)
    width, hidden = tensors["weight_ih_l0"].shape[1], tensors["weight_hh_l0"].shape[1]
    recurrent = torch.nn.LSTM(width, hidden, layers, bidirectional=True)
    recurrent.load_state_dict(tensors)
    linear = torch.nn.Linear(2 * hidden, len(state["phone_layer.bias"]))
    linear.load_state_dict({name: state[f"phone_layer.{name}"] for name in ("weight", "bias")})
    return recurrent.eval(), linear.eval()
