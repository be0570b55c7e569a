"""ConvNeXt stacks over time that stream: with bounded look-ahead, chunked output equals whole output.

Source of the block: Liu et al. 2022 (ConvNeXt), one-dimensional as in Vocos (Siuzdak 2023). Tensors are (batch,
time, channels).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StreamConv(nn.Module):
    """A convolution over time that sees `kernel - 1 - ahead` past and `ahead` future frames; zeros beyond the edges."""

    def __init__(self, inputs: int, outputs: int, kernel: int, ahead: int = 0, depthwise: bool = False) -> None:
        super().__init__()
        if not 0 <= ahead < kernel:
            raise ValueError(f"ahead must be in 0..{kernel - 1}, not {ahead}")
        self.back, self.ahead, self.kernel = kernel - 1 - ahead, ahead, kernel
        self.groups = inputs if depthwise else 1
        # A (batch, time, channels) tensor is a channels-last image of height 1: three times faster than Conv1d on CPU
        self.conv = nn.Conv2d(inputs, outputs, (1, kernel), groups=self.groups)

    def valid(self, x: Tensor) -> Tensor:
        """(batch, time, inputs) to (batch, time - kernel + 1, outputs)."""
        if self.groups > 1 and x.is_cuda:
            return self.taps(x)
        return self.conv(x.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)

    def taps(self, x: Tensor) -> Tensor:
        """As `valid`, depthwise alone: a sum of shifted products, because a GPU has no fast depthwise kernel for this
        layout when gradients are wanted."""
        weight, bias = self.conv.weight[:, 0, 0], self.conv.bias
        assert bias is not None
        time, kind = x.shape[1] - self.kernel + 1, torch.result_type(x, weight)
        if torch.is_autocast_enabled(x.device.type):
            kind = torch.get_autocast_dtype(x.device.type)
        parts = [x[:, k : k + time].to(kind) * weight[:, k].to(kind) for k in range(self.kernel)]
        return torch.stack(parts).sum(0) + bias.to(kind)

    def forward(self, x: Tensor) -> Tensor:
        return self.valid(F.pad(x, (0, 0, self.back, self.ahead)))

    def gather(self, x: Tensor, state: Tensor | None, last: bool) -> tuple[Tensor, Tensor]:
        """What can be convolved now, and what must wait: the buffer (batch, back + new + ..., channels) and next
        state.
        """
        parts = [x.new_zeros(x.shape[0], self.back, x.shape[2]) if state is None else state, x]
        if last:
            parts.append(x.new_zeros(x.shape[0], self.ahead, x.shape[2]))
        buffer = torch.cat(parts, dim=1)
        ready = max(0, buffer.shape[1] - self.kernel + 1)
        return buffer, buffer[:, ready:]

    def step(self, x: Tensor, state: Tensor | None, last: bool) -> tuple[Tensor, Tensor]:
        """The next input frames (may be none) to the output frames that are ready, and the new state."""
        buffer, state = self.gather(x, state, last)
        if buffer.shape[1] < self.kernel:
            return x.new_zeros(x.shape[0], 0, self.conv.out_channels), state
        return self.valid(buffer), state


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm, two-layer perceptron, layer scale, residual."""

    def __init__(self, dim: int, hidden: int, kernel: int = 7, ahead: int = 0, scale: float = 0.2) -> None:
        super().__init__()
        self.mix = StreamConv(dim, dim, kernel, ahead, depthwise=True)
        self.norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.scale = nn.Parameter(torch.full((dim,), scale))

    def _rest(self, mixed: Tensor) -> Tensor:
        return self.scale * self.down(F.gelu(self.up(self.norm(mixed)), approximate="tanh"))

    def forward(self, x: Tensor) -> Tensor:
        return x + self._rest(self.mix(x))

    def step(self, x: Tensor, state: Tensor | None, last: bool) -> tuple[Tensor, Tensor]:
        buffer, state = self.mix.gather(x, state, last)
        ready = buffer.shape[1] - self.mix.kernel + 1
        if ready <= 0:
            return x[:, :0], state
        return buffer[:, self.mix.back : self.mix.back + ready] + self._rest(self.mix.valid(buffer)), state


class ConvNeXt(nn.Module):
    """An input convolution, blocks, and a final norm: (batch, time, inputs) to (batch, time, dim).

    `ahead` gives the look-ahead in frames of the input convolution and of each block; their sum is the delay.
    """

    def __init__(self, inputs: int, dim: int, hidden: int, ahead: tuple[int, ...], kernel: int = 7) -> None:
        super().__init__()
        self.embed = StreamConv(inputs, dim, kernel, ahead[0])
        self.enter = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, hidden, kernel, a, scale=1 / (len(ahead) - 1)) for a in ahead[1:]
        )
        self.leave = nn.LayerNorm(dim)
        self.delay = sum(ahead)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return self.leave(x)

    def step(self, x: Tensor, state: list[Tensor | None] | None, last: bool) -> tuple[Tensor, list[Tensor | None]]:
        """The next frames (may be none) to the frames that are ready; `state` is None at the start."""
        states: list[Tensor | None] = [None] * (len(self.blocks) + 1) if state is None else list(state)
        x, states[0] = self.embed.step(x, states[0], last)
        x = self.enter(x)
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, ConvNeXtBlock)
            x, states[number] = block.step(x, states[number], last)
        return self.leave(x), states
