"""Checkpoints small enough to ship: fp16, and large matrices as int8 with a scale for each row."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

SCALE = ".scale"
_BULKY = (".up.weight", ".down.weight", ".embed.conv.weight")


def of_stacks(name: str, value: Tensor) -> bool:
    """A codec's or vocoder's large matrices: the two layers of ConvNeXt blocks, and input convolutions."""
    return name.endswith(_BULKY)


def of_models(name: str, value: Tensor) -> bool:
    """A speaking model's large matrices: everything of two dimensions and more but small tables."""
    return value.is_floating_point() and value.ndim > 1 and value.numel() >= 4096


Large = Callable[[str, Tensor], bool]


def pack(weights: dict[str, Tensor], large: Large = of_stacks, bits: int = 8) -> dict[str, Tensor]:
    """Floats to fp16, but those that are `large` to int8 and NAME.scale, fp16: a scale for each row.

    `bits` (2 to 8) of each int8 are used: the fewer, the smaller the file is once it is compressed.
    """
    most = 2 ** (bits - 1) - 1
    packed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if large(name, value):
            rows = value.detach().float().flatten(1)
            scale = (rows.abs().amax(1).clamp_min(1e-8) / most).half().clamp_min(6e-8)
            steps = torch.round(rows / scale.float()[:, None]).clamp(-most, most)
            packed[name] = steps.to(torch.int8).reshape(value.shape)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.detach().half() if value.is_floating_point() else value.detach()
    return {name: value.cpu().contiguous().clone() for name, value in packed.items()}


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` gave, or plain fp16 or fp32 weights, as float32; integers that are no weights stay."""
    weights: dict[str, Tensor] = {}
    for name, value in packed.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in packed:
            continue
        scale = packed.get(name + SCALE)
        if scale is not None:
            weights[name] = value.float() * scale.float().reshape(-1, *[1] * (value.ndim - 1))
        else:
            weights[name] = value.float() if value.is_floating_point() else value
    return weights


def save(
    weights: dict[str, Tensor],
    path: Path,
    large: Large = of_stacks,
    about: dict[str, str] | None = None,
    bits: int = 8,
) -> None:
    """Write packed weights as safetensors, whole or not at all; `about` goes into the header."""
    from safetensors.torch import save_file

    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(pack(weights, large, bits), part, about)
    os.replace(part, path)
