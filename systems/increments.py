"""A further leg of training as three-valued steps on a checkpoint that is already there: 1.6 bits a weight.

A large matrix becomes `base + scale * step`, `step` in -1, 0, 1 and one `scale` for each row; everything small is
stored anew in fp16. Trained with the straight-through estimator and learned scales (LSQ: Esser et al. 2020), since
rounding what ordinary training changed costs more than that training gave.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ttsbench.errors import UserError
from ttsbench.systems import packing

STEPS, SCALE = ".steps", ".step-scale"
BASE = "base_sha256"
PER_BYTE = 5  # 3^5 = 243 values fit into a byte
_POWERS = 3 ** torch.arange(PER_BYTE)


def rows_of(value: Tensor) -> Tensor:
    """The rows (rows, columns) that have a scale each: the last axis, or all but the first where that is a kernel's."""
    return value.flatten(0, -2) if value.shape[-1] >= 16 else value.flatten(1)


def fit_scales(change: Tensor, rounds: int = 8) -> Tensor:
    """Scales (rows, 1) with which steps of -1, 0, 1 come close to `change` (rows, columns): Lloyd's iteration."""
    size = change.abs()
    scale = size.mean(1, keepdim=True)
    for _ in range(rounds):
        moved = size > scale / 2
        scale = (size * moved).sum(1, keepdim=True) / moved.sum(1, keepdim=True).clamp_min(1)
    return scale.clamp_min(1e-6)


class Increment(nn.Module):
    """A parametrization: what is trained is the wished change; what the model sees is `base` plus its rounded steps."""

    base: Tensor

    def __init__(self, base: Tensor, change: Tensor) -> None:
        super().__init__()
        self.register_buffer("base", base.detach().clone(), persistent=False)
        self.scale = nn.Parameter(fit_scales(rows_of(change.detach())))

    def steps(self, change: Tensor) -> Tensor:
        """-1, 0 or 1 for each weight, (rows, columns)."""
        return (rows_of(change) / self.scale).clamp(-1, 1).round()

    def forward(self, change: Tensor) -> Tensor:
        share = (rows_of(change) / self.scale).clamp(-1, 1)
        steps = share + (share.round() - share).detach()
        return self.base + (steps * self.scale).view(self.base.shape)


def start(model: nn.Module, trained: dict[str, Tensor]) -> None:
    """Make the large matrices of `model`, which holds the base, increments that begin near `trained`, and set the rest
    to it. KeyError where `trained` lacks a weight.
    """
    names = [name for name, value in model.named_parameters() if packing.of_models(name, value)]
    large = {name: (model.get_parameter(name).detach().clone(), trained[name].float()) for name in names}
    model.load_state_dict({k: large[k][0] if k in large else trained[k] for k in model.state_dict()})
    for name, (base, wished) in large.items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        with torch.no_grad():
            getattr(module, leaf).copy_(wished - base)
        parametrize.register_parametrization(module, leaf, Increment(base, wished - base), unsafe=True)


def finish(model: nn.Module, path: Path, base: Path) -> None:
    """Write what `start` made and training changed, whole or not at all; it belongs to the checkpoint `base` alone."""
    from safetensors.torch import save_file

    kept: dict[str, Tensor] = {}
    for owner, module in model.named_modules():
        parametrized: Any = module.parametrizations if parametrize.is_parametrized(module) else {}
        for leaf, held in parametrized.items():
            name, increment = f"{owner}.{leaf}".lstrip("."), held[0]
            kept[name + STEPS] = pack_steps(increment.steps(held.original))
            kept[name + SCALE] = increment.scale.detach().half().flatten()
    for name, value in model.state_dict().items():
        if "parametrizations." not in name:
            kept[name] = value.detach().half() if value.is_floating_point() else value.detach()
    part = path.with_name(f".{path.name}.part")
    save_file({k: v.cpu().contiguous().clone() for k, v in kept.items()}, part, {BASE: digest(base)})
    os.replace(part, path)


def add(weights: dict[str, Tensor], path: Path, base: Path) -> dict[str, Tensor]:
    """`weights` (float32) of the checkpoint `base`, moved on by the increments in `path`.

    ValueError where `path` belongs to another checkpoint, or to another shape of model.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        if (file.metadata() or {}).get(BASE) != digest(base):
            raise UserError(f"{path}: belongs to another {base.name} than {base}; take both from one place")
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    out: dict[str, Tensor] = {}
    try:
        for name, value in weights.items():
            if name + STEPS in kept:
                scale = kept[name + SCALE].float()[:, None]
                steps = unpack_steps(kept[name + STEPS], value.numel()).view(rows_of(value).shape)
                out[name] = value + (steps * scale).view(value.shape)
            else:
                out[name] = kept[name].float() if kept[name].is_floating_point() else kept[name]
    except (KeyError, RuntimeError) as fault:
        raise UserError(f"{path}: does not fit {base}: {fault}") from fault
    return out


def pack_steps(steps: Tensor) -> Tensor:
    """Steps of -1, 0, 1, five to a byte, uint8; the last byte is filled up with zeros."""
    flat = steps.flatten().long() + 1
    flat = torch.nn.functional.pad(flat, (0, -len(flat) % PER_BYTE), value=1)
    return (flat.view(-1, PER_BYTE) * _POWERS).sum(1).to(torch.uint8)


def unpack_steps(packed: Tensor, count: int) -> Tensor:
    """The first `count` steps of what `pack_steps` gave, float32 (count,)."""
    return ((packed.long()[:, None] // _POWERS) % 3).flatten()[:count].float() - 1


def digest(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
