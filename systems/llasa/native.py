"""Small Llasa's single frames in C (`step.c`), where there is a C compiler: float32, batch 1, on a CPU.

The source is compiled once, in a second or two, and kept under its digest in the user's cache folder. Sums are taken in
another order than torch takes them: values agree to about six digits, and so do draws but for near ties. Without a
compiler, or with TTSBENCH_NATIVE=0, torch does the same work in about twice the time.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttsbench.systems.nn.step import identity

if TYPE_CHECKING:
    from ttsbench.systems.llasa.small import SmallLlasa
    from ttsbench.systems.nn.cache import Cache

SOURCE = Path(__file__).with_name("step.c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-shared", "-fPIC")
LARGEST = 8192  # of any vector, as in the source


def build(model: SmallLlasa) -> Native | None:
    """The model's single frames in C; None without a compiler, on a GPU, of another shape or precision."""
    shape = model.size.shape
    weight = next(model.parameters())
    plain = shape.norm == "layer" and not shape.gated and not shape.bias and shape.activation == "relu"
    widest = max(3 * shape.dim, shape.hidden, model.size.digits, model.head.wide * model.head.most)
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or not plain or widest > LARGEST:
        return None
    if os.environ.get("TTSBENCH_NATIVE", "1") == "0":
        return None
    library = _library()
    return None if library is None else Native(model, library)


class Native:
    """Read and draw single frames with a copy of the model's weights, valid as long as `fits` says so."""

    def __init__(self, model: SmallLlasa, library: ctypes.CDLL) -> None:
        self.library, head = library, model.head
        shape, draws = model.size.shape, [len(group) for group in head.groups]
        sizes = [shape.dim, shape.layers, shape.heads, shape.hidden, len(head.levels), model.size.digits, head.most]
        self.sizes = torch.tensor([*sizes, len(draws), *draws, sum(head.levels)], dtype=torch.int32)
        self.dim, self.eps, self.first, self.levels = shape.dim, shape.eps, head.first, head.levels
        self.bias = (head.bias + head.never).detach()
        self.reading, self.drawing = self._block(_reading(model)), self._block(_drawing(model))
        self.scores = torch.empty(0)
        self.made_from = [identity(weight) for weight in model.parameters()]

    def fits(self, model: SmallLlasa) -> bool:
        """False when weights were moved, loaded or trained since."""
        return [identity(weight) for weight in model.parameters()] == self.made_from

    def _block(self, parts: list[Tensor]) -> int:
        """The address of all parts one after the other."""
        every = torch.cat([part.detach().float().flatten() for part in parts])
        block = self.library.room(ctypes.c_size_t(every.numel()))
        if not block:
            raise MemoryError(f"no room for {every.numel() * 4} bytes of weights")
        ctypes.memmove(block, every.data_ptr(), every.numel() * 4)
        return int(block)

    def __del__(self) -> None:
        for name in ("reading", "drawing"):
            if name in self.__dict__:
                self.library.give_back(ctypes.c_void_p(self.__dict__.pop(name)))

    def read(self, codes: Tensor, cache: Cache, at: int) -> Tensor:
        """As `SmallLlasa.read`, of one row: codes (1, digits) to (1, dim); the cache grows by one."""
        if cache.length >= cache.capacity:
            raise ValueError(f"the cache holds {cache.capacity} positions, {cache.length + 1} were asked for")
        if len(self.scores) < cache.capacity:
            self.scores = torch.empty(cache.capacity)
        rows, out = codes + self.first, torch.empty(1, self.dim)
        pointers, capacity = ctypes.c_void_p * len(cache.own), cache.own[0][0].shape[2]
        keys = pointers(*[pair[0].data_ptr() for pair in cache.own])
        values = pointers(*[pair[1].data_ptr() for pair in cache.own])
        self.library.read_frame(
            ctypes.c_void_p(self.reading), _at(self.sizes), ctypes.c_float(self.eps), _at(rows), keys, values,
            ctypes.c_int64(cache.length), ctypes.c_int64(capacity), ctypes.c_float(at), _at(self.scores), _at(out),
        )  # fmt: skip
        cache.length += 1
        return out

    def sample(self, hidden: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As `DigitHead.sample` of one row without top-k and top-p: hidden (1, dim) to codes (1, digits), over (1,)."""
        bias = self.bias
        if temperature > 0:
            noise = torch.empty_like(bias[None]).exponential_(generator=generator)
            bias = bias - temperature * noise.log_()
        codes, hidden = torch.empty(1, len(self.levels), dtype=torch.long), hidden.contiguous()
        over = self.library.draw_frame(
            ctypes.c_void_p(self.drawing), _at(self.sizes), _at(hidden), _at(bias), _at(self.first),
            ctypes.c_int64(self.levels[0]), _at(codes),
        )  # fmt: skip
        return codes, torch.tensor([bool(over)])


def _at(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _reading(model: SmallLlasa) -> list[Tensor]:
    """Weights in the order in which `read_frame` takes them."""
    rope = model.size.shape.rope
    assert rope is not None
    parts = [rope.frequencies(model.size.shape.head_dim), model.codes.weight]
    for block in model.transformer.blocks:
        own = block.self_attn
        parts += [block.input_layernorm.weight, block.input_layernorm.bias]  # type: ignore[list-item]
        parts += [own.q_proj.weight, own.k_proj.weight, own.v_proj.weight, own.o_proj.weight]
        parts += [block.post_attention_layernorm.weight, block.post_attention_layernorm.bias]  # type: ignore[list-item]
        parts += [block.mlp.up_proj.weight, block.mlp.down_proj.weight]
    return [*parts, model.transformer.norm.weight, model.transformer.norm.bias]  # type: ignore[list-item]


def _drawing(model: SmallLlasa) -> list[Tensor]:
    """Weights in the order in which `draw_frame` takes them."""
    head = model.head
    parts = [head.enter.bias, head.enter.weight, head.before.weight, head.middle.bias, head.middle.weight]
    for at, group in enumerate(head.groups):
        parts += [head.place[at], head.leave[at][:, : len(group) * head.most].T]
    return parts


def _library() -> ctypes.CDLL | None:
    """step.c compiled and loaded; None without a compiler that does it, or a cache folder to write to."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    try:
        target = _compiled(compiler)
        library = ctypes.CDLL(str(target))
    except (OSError, subprocess.SubprocessError):
        return None
    library.room.restype = ctypes.c_void_p
    library.give_back.restype = library.read_frame.restype = None
    return library


def _compiled(compiler: str) -> Path:
    """The library of this source, compiler and processor, made where it is not there yet."""
    key = "".join((SOURCE.read_text(), compiler, *FLAGS, platform.machine(), _processor()))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ttsbench"
    name = f"llasa-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / name).exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / name
            words = [compiler, *FLAGS, str(SOURCE), "-o", str(made), "-lm"]
            subprocess.run(words, check=True, capture_output=True, timeout=120)
            made.replace(folder / name)
    return folder / name


def _processor() -> str:
    """What -march=native depends on; a home folder may be shared by unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
