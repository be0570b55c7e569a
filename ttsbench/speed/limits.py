"""How close a system comes to what the machine can do: a short probe of the machine, and the work of an utterance.

Two limits are known: how fast matrices multiply, and how fast memory is read. The work is counted while the system
speaks, in this process and by torch's own counter; a system elsewhere (a program, a server) has no counted work.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ttsbench import audio
from ttsbench.records import Sample, System


@dataclass(frozen=True)
class Work:
    """What one utterance took: operations by precision (a multiply-add is 2), bytes of the matrices and activations
    that products and convolutions read and wrote, and the audio that was made of it, in seconds."""

    operations: dict[str, int]
    bytes: int
    seconds: float


def probe(device: str) -> dict[str, float]:
    """What this machine can do, by a short measurement with all of torch's threads, the best of six.

    `read` and `copy` (read + write) in GB/s, matrix products in GFLOP/s; `threads` of torch on a CPU.
    """
    import torch

    result: dict[str, float] = {}
    place = torch.device(device)
    if place.type == "cpu":
        result["threads"] = torch.get_num_threads()
    block = torch.ones((128 if place.type == "cpu" else 512) * 2**20, device=place)
    target = torch.empty_like(block)
    result["read_gb_per_s"] = round(block.numel() * 4 / _best(lambda: block.sum(), place) / 1e9, 1)
    result["copy_gb_per_s"] = round(2 * block.numel() * 4 / _best(lambda: target.copy_(block), place) / 1e9, 1)
    for dtype in (torch.float32, torch.bfloat16):
        result[f"{_name(dtype)}_gflop_per_s"] = round(_products(dtype, place) / 1e9, 1)
    return result


def _products(dtype: Any, place: Any) -> float:
    """Operations a second of square matrix products, as large as fit into a tenth of a second (bfloat16 is emulated by
    many CPUs, and then slow)."""
    import torch

    for size in (256, 512, 1024, 2048) if place.type == "cpu" else (8192,):
        left, right = (torch.randn(size, size, device=place).to(dtype) for _ in range(2))
        seconds = _best(lambda a=left, b=right: a @ b, place)  # type: ignore[misc]
        if seconds > 0.01:  # eight times as long at the next size
            break
    return 2 * size**3 / seconds


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _best(call: Callable[[], Any], place: Any) -> float:
    """The shortest of six timed calls, the device synchronised; seconds."""
    import torch

    settle = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(place.type, lambda: None)
    times = []
    for _ in range(6):
        settle()
        start = time.perf_counter()
        call()
        settle()
        times.append(time.perf_counter() - start)
    return min(times)


def work_of(system: System, sample: Sample, seed: int) -> Work | None:
    """The work of one utterance, spoken once more under torch's counter; None where nothing ran on torch here."""
    from ttsbench.systems.nn.counting import count  # torch

    samples = 0

    def speak() -> None:
        nonlocal samples
        samples = audio.whole(system.synthesize(sample, seed)).size

    try:
        found = count(speak)
    except Exception:  # what fails under the counter was timed without it: there is a figure less, not a row
        traceback.print_exc()  # into the worker's log
        return None
    if not found.linear or not samples:
        return None
    operations = {_name(dtype): 2 * number for dtype, number in found.by_precision.items()}
    return Work(operations, found.bytes, samples / system.card.sample_rate)


def shares(work: Work, rtf: float, limits: dict[str, float]) -> dict[str, float]:
    """The work for a second of speech, its rate at a real-time factor, and the shares of the machine's limits.

    A share is the time that the work would take at the limit over the time that it took: `arithmetic` adds up the
    precisions, each at its own limit. `bandwidth` can pass 1 where weights stay in the processor's caches.
    """
    each = {kind: number / work.seconds for kind, number in work.operations.items()}
    moved = work.bytes / work.seconds
    known = {kind: limits.get(f"{kind}_gflop_per_s", limits["float32_gflop_per_s"]) for kind in each}
    return {
        "gflop_per_audio_second": round(sum(each.values()) / 1e9, 3),
        "gb_per_audio_second": round(moved / 1e9, 3),
        "gflop_per_s": round(sum(each.values()) / rtf / 1e9, 2),
        "gb_per_s": round(moved / rtf / 1e9, 2),
        "arithmetic": round(sum(each[kind] / 1e9 / known[kind] for kind in each) / rtf, 4),
        "bandwidth": round(moved / 1e9 / limits["read_gb_per_s"] / rtf, 4),
    }
