"""The network of DNSMOS P.835 in torch, with the constants of speechmos's ONNX file, sharing work between windows.

Windows of 9.01 s start one second apart, which is 100 frames: eight ninths of each was computed for the one before. So
the first four convolutions, nearly all of the cost, run once over the whole file; a window then needs only its own
first and last four frames anew, where the network sees zeros instead of its neighbours. About twice as fast as the file
itself, and equal to it to 1e-4 (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ttsbench.metrics.onnx_file import floats

HOP, SIZE = 160, 320  # samples
FRAMES = 900  # of a window
HALO = 4  # frames that the shared convolutions reach to each side
BLOCK = 100  # frames at a time: few enough to stay near the processor, whatever the length of the file
GRAPH = "mos_estimator_logpow/"


class P835:
    """Call it with samples and the first samples of windows."""

    def __init__(self, path: Path) -> None:
        constants = {name: torch.from_numpy(value.copy()) for name, value in floats(path).items()}
        self.real = constants["time2freq/stft-real/kernel:0"][:, :, 0].T
        self.imaginary = constants["time2freq/stft-imag/kernel:0"][:, :, 0].T
        self.power = float(constants[f"{GRAPH}pow/y:0"])
        self.floor = float(constants[f"{GRAPH}Maximum/x:0"])
        self.scale = float(constants[f"{GRAPH}truediv/y:0"])
        stems = ["conv2d", *(f"conv2d_{index}" for index in range(1, 7))]
        self.convolutions = [
            (constants[f"{stem}/kernel:0"].contiguous(memory_format=torch.channels_last), constants[f"{stem}/bias:0"])
            for stem in stems
        ]
        self.dense = [_dense(constants, f"{GRAPH}{name}/") for name in ("dense", "dense_1", "dense_3")]

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray, starts: list[int]) -> np.ndarray:
        """Raw signal, background and overall scores (windows, 3) of samples (n,) at 16 kHz.

        `starts` are multiples of 16,000 and leave 144,160 samples each.
        """
        spectrum = self._spectrum(torch.from_numpy(np.ascontiguousarray(samples)))
        firsts = [start // HOP for start in starts]
        spectrum = spectrum[: firsts[-1] + FRAMES]
        shared = torch.cat([self._block(spectrum, at) for at in range(0, len(spectrum), BLOCK)], dim=2)
        reach = 2 * HALO
        ends = [spectrum[at : at + reach] for first in firsts for at in (first, first + FRAMES - reach)]
        edges = self._shared(torch.stack(ends))
        heads, tails = F.max_pool2d(edges[0::2, :, :HALO], 2), F.max_pool2d(edges[1::2, :, HALO:], 2)
        scores = []
        for first, head, tail in zip(firsts, heads, tails, strict=True):
            middle = shared[:, :, first // 2 + HALO // 2 : (first + FRAMES - HALO) // 2]
            scores.append(self._rest(torch.cat([head[None], middle, tail[None]], dim=2)))
        return np.asarray(torch.cat(scores).numpy(), dtype=np.float64)

    def _spectrum(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(0, SIZE, HOP)
        magnitude = ((frames @ self.real) ** 2 + (frames @ self.imaginary) ** 2).sqrt()
        return (magnitude**self.power).clamp(min=self.floor).log() / self.scale

    def _shared(self, spectra: Tensor) -> Tensor:
        """The first four convolutions of frames (batch, time, bins): (batch, channels, time, bins)."""
        x = spectra[:, None].contiguous(memory_format=torch.channels_last)
        for kernel, bias in self.convolutions[:4]:
            x = F.relu_(F.conv2d(x, kernel, bias, padding=1))
        return x

    def _block(self, spectrum: Tensor, at: int) -> Tensor:
        """Pooled shared features of `BLOCK` frames from `at` on."""
        before = min(at, HALO)
        piece = self._shared(spectrum[None, at - before : at + BLOCK + HALO])
        return F.max_pool2d(piece[:, :, before : before + BLOCK], 2)

    def _rest(self, x: Tensor) -> Tensor:
        """Scores (1, 3) of one window's pooled features (1, channels, 450, 80)."""
        for index, (kernel, bias) in enumerate(self.convolutions[4:]):
            x = F.relu_(F.conv2d(x, kernel, bias, padding=1))
            x = F.max_pool2d(x, 2) if index < 2 else x
        x = x.amax(dim=(2, 3))
        for index, (weight, bias) in enumerate(self.dense):
            x = x @ weight + bias
            x = F.relu(x) if index < 2 else x
        return x


def _dense(constants: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    tail = "ReadVariableOp/resource:0"
    return constants[f"{name}MatMul/{tail}"], constants[f"{name}BiasAdd/{tail}"]
