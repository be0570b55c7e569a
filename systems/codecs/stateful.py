"""Convolutional decoders that go on where they stopped: every layer keeps the few samples that its next output needs.

All tensors are (batch, channels, time). A piece may be empty; `last` says that nothing follows.
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.wavenorm import AntiAliased, NormedConv1d, joined_weight


class Memory:
    """What the layers of one decoder keep between two pieces of one utterance; kernels are put together once."""

    def __init__(self) -> None:
        self.kept: dict[Hashable, Tensor] = {}
        self.kernels: dict[nn.Module, Tensor] = {}

    def kernel(self, layer: nn.Module) -> Tensor:
        """The kernel of a weight-normalised layer, ours or torch's."""
        if layer not in self.kernels:
            own = hasattr(layer, "weight_v")
            weight = joined_weight(layer) if own else layer.weight
            assert isinstance(weight, Tensor)
            self.kernels[layer] = weight
        return self.kernels[layer]

    def queue(self, name: Hashable, x: Tensor, count: int) -> Tensor:
        """The first `count` samples of what waits under `name`, after x has joined the end of it."""
        waiting = torch.cat([self.kept[name], x], dim=-1) if name in self.kept else x
        self.kept[name] = waiting[..., count:]
        return waiting[..., :count]

    def convolve(self, name: Hashable, conv: nn.Conv1d, x: Tensor, begin: Tensor) -> Tensor:
        """A convolution of stride 1; `begin` is what stands before the first sample."""
        held = torch.cat([self.kept.get(name, begin), x], dim=-1)
        back = conv.dilation[0] * (conv.kernel_size[0] - 1)
        self.kept[name] = held[..., max(0, held.shape[-1] - back) :]
        if held.shape[-1] <= back:
            return x.new_zeros(len(x), conv.out_channels, 0)
        return F.conv1d(held, self.kernel(conv), conv.bias, dilation=conv.dilation)

    def normed(self, conv: NormedConv1d, x: Tensor, last: bool) -> Tensor:
        """As calling `conv`: zeros beyond the edges."""
        pad = conv.padding[0]
        assert isinstance(pad, int)
        begin = x.new_zeros(*x.shape[:2], conv.left or pad)
        return self.convolve(conv, conv, F.pad(x, (0, pad)) if last and pad else x, begin)

    def upsample(self, conv: nn.ConvTranspose1d, x: Tensor) -> Tensor:
        """A transposed convolution of kernel 2 * stride, its look-ahead cut: each sample in gives `stride` out."""
        if not x.shape[-1]:
            return x.new_zeros(len(x), conv.out_channels, 0)
        stride = conv.stride[0]
        y = F.conv_transpose1d(x, self.kernel(conv), None, conv.stride)
        if conv in self.kept:
            y[..., :stride] += self.kept[conv]
        self.kept[conv] = y[..., -stride:]
        y = y[..., :-stride]
        return y if conv.bias is None else y + conv.bias[:, None]

    def snake(self, layer: AntiAliased, x: Tensor, last: bool) -> Tensor:
        """As calling `layer`, whose edges repeat the outermost sample; 5 samples late until the last."""
        return self._halved(layer, layer.act(self._doubled(layer, x, last)), last)

    def _doubled(self, layer: AntiAliased, x: Tensor, last: bool) -> Tensor:
        held, skipped = (layer, "up"), (layer, "skipped")
        if held not in self.kept:
            if not x.shape[-1]:
                return x
            self.kept[held], self.kept[skipped] = x[..., :1].expand(-1, -1, 5), x.new_zeros(5)
        buffer = torch.cat([self.kept[held], x], dim=-1)
        if last:
            buffer = torch.cat([buffer, buffer[..., -1:].expand(-1, -1, 5)], dim=-1)
        size = buffer.shape[-1]
        self.kept[held] = buffer[..., max(0, size - 5) :]
        kernel = layer.upsample.filter.expand(buffer.shape[1], -1, -1)
        made = 2 * F.conv_transpose1d(buffer, kernel, stride=2, groups=buffer.shape[1])[..., 10 : max(10, 2 * size)]
        skip = min(len(self.kept[skipped]), made.shape[-1])
        self.kept[skipped] = self.kept[skipped][skip:]
        return made[..., skip : made.shape[-1] - 5 if last else None]

    def _halved(self, layer: AntiAliased, x: Tensor, last: bool) -> Tensor:
        held = (layer, "down")
        if held not in self.kept:
            if not x.shape[-1]:
                return x
            self.kept[held] = x[..., :1].expand(-1, -1, 5)
        buffer = torch.cat([self.kept[held], x], dim=-1)
        if last:
            buffer = torch.cat([buffer, buffer[..., -1:].expand(-1, -1, 6)], dim=-1)
        count = max(0, (buffer.shape[-1] - 12) // 2 + 1)
        self.kept[held] = buffer[..., 2 * count :]
        if not count:
            return x[..., :0]
        kernel = layer.downsample.lowpass.filter.expand(buffer.shape[1], -1, -1)
        return F.conv1d(buffer, kernel, stride=2, groups=buffer.shape[1])
