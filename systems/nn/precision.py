"""Which number formats the machine at hand computes fast."""

from __future__ import annotations

import torch


def has_bf16(device: str) -> bool:
    """Whether matrix products in bfloat16 have units of their own there (AMX or AVX512-BF16 on a CPU)."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
