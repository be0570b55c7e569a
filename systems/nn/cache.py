"""The static key/value cache of `systems.nn.transformer`: buffers allocated once, a prefix that candidates share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ttsbench.systems.nn.step import Step
    from ttsbench.systems.nn.transformer import Shape

Pairs = list[tuple[Tensor, Tensor]]


class Cache:
    """Keys and values of what was read so far, in buffers allocated once.

    `own` are (batch, kv_heads, capacity, head_dim) per layer, filled up to `length`; `shared` is a finished
    prefix of batch 1 that all rows read; `memory` are the cross-attention keys and values, computed at the first
    call (`memory_turned`: with rotary positions).
    `head` counts the positions at the beginning of `own` that a fork of one row took over from its parent.
    `step` is what reads single positions, made by the transformer at the first one.
    `seen` (batch, positions) is False where left padding stands; None without padding.
    """

    def __init__(
        self,
        shape: Shape,
        batch: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape, self.batch, self.capacity, self.length, self.offset = shape, batch, capacity, 0, 0
        self.head = 0
        self.step: Step | None = None
        size = (batch, shape.groups, capacity, shape.head_dim)
        self.own: Pairs = [
            (torch.empty(size, device=device, dtype=dtype), torch.empty(size, device=device, dtype=dtype))
            for _ in range(shape.layers)
        ]
        self.shared: Pairs | None = None
        self.memory: Pairs = []
        self.memory_mask: Tensor | None = None
        self.memory_turned = False
        self.seen: Tensor | None = None

    @property
    def position(self) -> int:
        """How many positions were read, the shared prefix included: the next one's index."""
        return self.offset + self.length

    def put(self, layer: int, keys: Tensor, values: Tensor) -> Pairs:
        """Store (batch, kv_heads, time, head_dim) after what is there; what the queries may look at."""
        end = self.length + keys.shape[2]
        if end > self.capacity:
            raise ValueError(
                f"the cache holds {self.capacity} positions, {end} were asked for: make it with more capacity"
            )
        for buffer, new in zip(self.own[layer], (keys, values), strict=True):
            buffer[:, :, self.length : end] = new
        own = (self.own[layer][0][:, :, :end], self.own[layer][1][:, :, :end])
        return [self.shared[layer], own] if self.shared else [own]

    def fork(self, rows: int, capacity: int) -> Cache:
        """`rows` candidates with room for `capacity` further positions each; what is cached is shared, not copied.

        One candidate alone gets a copy: its attention is then over one piece.
        """
        if self.batch != 1 or self.shared is not None:
            raise ValueError(
                f"only a cache of one row without a shared prefix can be forked, this one has {self.batch}"
            )
        if rows == 1:
            child = self.select(torch.zeros(1, dtype=torch.long, device=self.own[0][0].device), self.length + capacity)
            child.head = self.length
            return child
        first = self.own[0][0]
        child = Cache(self.shape, rows, capacity, first.device, first.dtype)
        child.shared = [(k[:, :, : self.length], v[:, :, : self.length]) for k, v in self.own]
        child.offset, child.memory, child.memory_mask = self.length, self.memory, self.memory_mask
        child.memory_turned, child.step = self.memory_turned, self.step
        if self.seen is not None:
            child.seen = self.seen.expand(rows, -1)
        return child

    def select(self, rows: Tensor, capacity: int | None = None) -> Cache:
        """The cache of the rows (n,) in this order, repeats allowed: what a beam search keeps. Copies `own`.

        `capacity` is the room of the new buffers beyond a prefix, by default that of the old ones; only what is filled
        is copied.
        """
        child = object.__new__(Cache)
        child.__dict__.update(self.__dict__)
        child.batch, child.capacity = len(rows), self.capacity if capacity is None else self.head + capacity
        child.own = [(self._moved(k, rows, child.capacity), self._moved(v, rows, child.capacity)) for k, v in self.own]
        child.memory = [(k if len(k) == 1 else k[rows], v if len(v) == 1 else v[rows]) for k, v in self.memory]
        for name in ("seen", "memory_mask"):
            mask = getattr(self, name)
            setattr(child, name, mask if mask is None or len(mask) == 1 else mask[rows])
        return child

    def _moved(self, old: Tensor, rows: Tensor, capacity: int) -> Tensor:
        new = old.new_empty(len(rows), old.shape[1], capacity, old.shape[3])
        new[:, :, : self.length] = old[rows, :, : self.length]
        return new
