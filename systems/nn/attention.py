"""Scaled dot-product attention and rotary positions, as plain functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.systems.nn.cache import Pairs


def attend(
    queries: Tensor, pairs: Pairs, bias: Tensor | None, need_weights: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot-product attention over one or two pieces of keys and values.

    `queries` (batch, heads, time, head_dim); each piece (batch or a divisor of it, kv_heads, keys, head_dim); `bias` is
    added to the scores, broadcast to (batch, heads, time, all keys). Returns (batch, heads, time, head_dim) and, where
    they were computed, the weights (batch, heads, time, keys).
    On a CPU the fused kernel is faster without gradients alone: training takes plain products.
    """
    batch, heads, time, width = queries.shape
    kv_heads = pairs[0][0].shape[1]
    fused = queries.is_cuda or (queries.device.type == "cpu" and not torch.is_grad_enabled())
    if fused and len(pairs) == 1 and pairs[0][0].shape[0] == batch and not need_weights:
        keys, values = pairs[0]
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, enable_gqa=heads != kv_heads)
        return mixed, None
    rows = queries.reshape(batch, kv_heads, heads // kv_heads * time, width) * width**-0.5
    parts = [_product(rows, keys.transpose(-1, -2)) for keys, _ in pairs]
    scores = (parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)).view(batch, heads, time, -1)
    weights = (scores if bias is None else scores + bias).softmax(dim=-1).to(queries.dtype)
    split = weights.view(*rows.shape[:3], -1).split([keys.shape[2] for keys, _ in pairs], dim=-1)
    mixed = sum((_product(part, values) for part, (_, values) in zip(split, pairs, strict=True)), torch.zeros(()))
    return mixed.reshape(batch, heads, time, width), weights


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Batched matrix product; one copy of `right` serves as many neighbouring rows of `left` as batch sizes ask for."""
    if right.shape[0] == left.shape[0]:
        return left @ right
    batch, heads, rows, inner = left.shape
    sharing = batch // right.shape[0]
    folded = left.unflatten(0, (-1, sharing)).transpose(1, 2).reshape(-1, heads, sharing * rows, inner) @ right
    return folded.view(-1, heads, sharing, rows, right.shape[-1]).transpose(1, 2).flatten(0, 1)


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of x (batch, heads, time, head_dim) by (cos, sin), each (batch or 1, 1, time, head_dim / 2)."""
    cos, sin = (angle.to(x.dtype) for angle in angles)
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
