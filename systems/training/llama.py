"""What KALL-E and Llasa share at full size: a text model's weights to start from, and Llasa's published settings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems.training.trainer import Settings

SEQUENCES, DEVICES, EPOCHS = 8, 40, 2
TABLES = ("embed_tokens.weight", "lm_head.weight")


def published(rows: int) -> Settings:
    """Settings of Llasa's published configuration and job script, for so many training rows; see `llasa.tuning`."""
    steps = max(1, EPOCHS * rows // (SEQUENCES * DEVICES))
    return Settings(
        steps=steps, lr=5e-5, floor=0.1, warmup=max(1, round(0.03 * steps)), betas=(0.9, 0.95), weight_decay=0.01,
        clip=1.0, ema=0.0, bf16=True, accumulate=DEVICES, eval_every=500, save_every=500,
    )  # fmt: skip


@torch.no_grad()
def start_from(model: nn.Module, tensors: dict[str, Tensor], prefix: str = "") -> None:
    """Copy a published Llama's weights into those of `model` whose names begin with `prefix`, in place.

    Tables of tokens may have more rows than the Llama's: new tokens start normal, with deviation 0.02. ValueError names
    what is missing or misshapen.
    """
    for name, value in model.state_dict().items():
        if not name.startswith(prefix):
            continue
        given = tensors.get(name.removeprefix(prefix))
        shape = None if given is None else tuple(given.shape)
        grown = given is not None and name.endswith(TABLES) and len(given) <= len(value)
        if given is None or given.shape[1:] != value.shape[1:] or not (grown or len(given) == len(value)):
            raise UserError(f"not the Llama to start from: {name} is {shape}, wanted {tuple(value.shape)}")
        value[: len(given)] = given.to(value.dtype)
        value[len(given) :].normal_(std=0.02)
