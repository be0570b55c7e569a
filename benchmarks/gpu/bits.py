"""Whole numbers in as few bits as they need, and what a training corpus comes to in them."""

from __future__ import annotations

import numpy as np


def to_bits(rows: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    """Rows (n, k) of whole numbers, column j in widths[j] bits, one behind the other: uint8 (bytes,)."""
    columns = [
        (rows[:, column : column + 1].astype(np.uint16) >> np.arange(width - 1, -1, -1, dtype=np.uint16)) & 1
        for column, width in enumerate(widths)
    ]
    return np.packbits(np.concatenate(columns, axis=1).astype(np.uint8))


def from_bits(packed: np.ndarray, widths: tuple[int, ...], count: int) -> np.ndarray:
    """The inverse of `to_bits`: int64 (count, k)."""
    bits = np.unpackbits(packed)[: count * sum(widths)].reshape(count, sum(widths)).astype(np.int64)
    found, start = [], 0
    for width in widths:
        found.append(bits[:, start : start + width] @ (1 << np.arange(width - 1, -1, -1)))
        start += width
    return np.stack(found, axis=1)


STEPS, REACH = 64, 4.0  # of a latent: 6 bits over 4 deviations on either side


def to_steps(latents: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Latents (n, k) as whole numbers below `STEPS`."""
    scaled = (latents - mean) / deviation * (STEPS / 2 / REACH) + STEPS / 2
    return np.clip(np.floor(scaled), 0, STEPS - 1).astype(np.int64)


def from_steps(steps: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The middle of each step, float32 (n, k)."""
    return (((steps + 0.5 - STEPS / 2) * (REACH * 2 / STEPS)) * deviation + mean).astype(np.float32)
