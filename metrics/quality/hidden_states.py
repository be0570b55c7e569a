"""Hidden states of one layer of HuBERT, wav2vec 2.0 or WavLM (transformers): every frame, or the mean of a clip.

One file at a time: padding would change the group norm of the first layer.
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
SHORTEST = 400  # samples; one frame
LONGEST = 120 * RATE  # samples; attention over more does not fit into memory


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(settings["model"]), "version": f"transformers {version('transformers')}", **settings}


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: features with `vector` (rows x width values, row after row), `rows` and `seconds`.

    Settings: model; layer, 0 the first layer's input, -1 the last layer; pooling, `frames` (a row each 20 ms) or
    `mean` (one row).
    """
    place = weights.find(settings["model"])
    try:
        import torch
        from transformers import AutoModel, Wav2Vec2FeatureExtractor
    except ImportError as fault:
        raise MissingModel(f"hidden states need transformers: pip install 'ttsbench[paper]' ({fault})") from fault

    model = AutoModel.from_pretrained(place, dtype=torch.float32, local_files_only=True).eval()
    torch.nn.Module.to(model, device)
    prepare = Wav2Vec2FeatureExtractor.from_pretrained(place, local_files_only=True)
    layer, pooled = int(settings["layer"]), settings["pooling"] == "mean"

    @torch.inference_mode()
    def states(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, start=request.start)[:LONGEST]
        if len(samples) < SHORTEST:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.3f} s is shorter than one frame")
        inputs = prepare(samples, sampling_rate=RATE, return_tensors="pt").input_values
        found = model(inputs.to(device), output_hidden_states=True).hidden_states[layer][0]
        found = found.mean(dim=0, keepdim=True) if pooled else found
        return {**pack(found.cpu().numpy()), "rows": found.shape[0], "seconds": len(samples) / RATE}

    return one_by_one(states)
