"""`ttsbench profile`: latency, throughput and memory of systems on the hardware at hand.

Every point repeats one utterance of a given number of words, with a prompt of a given length, at a given concurrency.
Concurrency is worker processes; RTF is taken at concurrency 1 alone, throughput is audio seconds over wall seconds.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench.records import Recorded, Sample, Synthesis
from ttsbench.synth import Job, speak
from ttsbench.workers import Failed, run_tasks

WORDS = """
    the morning train left the station a little late because snow had covered the rails and the driver waited until
    a man with a broom had cleared the last switch before the bridge where a family of ducks was walking home along
    the frozen river while children on the bank threw bread and shouted names they had made up for every bird
""".split()


@dataclass(frozen=True)
class Point:
    """What was repeated: words of text, seconds of prompt, utterances at once."""

    words: int
    prompt_seconds: float
    concurrency: int


@dataclass(frozen=True)
class Reading:
    """One repetition: times in seconds, memory in bytes (device memory None without an accelerator).

    `joules` of the whole package or card; None where the device reports none (`energy.counter`).
    """

    point: Point
    synthesis: Synthesis
    load_seconds: float
    host_bytes: int
    device_bytes: int | None
    began: float
    ended: float
    joules: float | None = None


def text_of(words: int) -> str:
    """A plain sentence of exactly `words` words (1 to any number; our own text, repeated when it runs out)."""
    if words < 1:
        raise ValueError(f"a text needs at least one word, not {words}")
    chosen = [WORDS[at % len(WORDS)] for at in range(words)]
    return " ".join(chosen).capitalize() + "."


def profile(
    spec: str,
    prompt: Sample,
    points: Sequence[Point],
    *,
    repeat: int,
    device: str,
    timeout: float,
    folder: Path,
    progress: Callable[[int, int, str], None],
) -> list[Reading | str]:
    """Measure every point `repeat` times after one warm-up a process. A failure is a sentence in place of a Reading.

    `prompt` lends its prompt audio, text, speaker and language; `folder` receives cut prompts and the log.
    """
    readings: list[Reading | str] = []
    total = len(points) * repeat
    for point in points:
        sample = _sample(prompt, point, folder)
        jobs = [Job(sample, seed, Path(os.devnull), "profile") for seed in range(max(repeat, point.concurrency))]
        outcomes = run_tasks(
            jobs, timed_speaker, (spec, device), jobs=point.concurrency, timeout=timeout, log=folder / "log.txt"
        )
        for _, outcome in outcomes:
            if isinstance(outcome, Failed):
                readings.append(f"{point}: {outcome.reason}")
            elif outcome.synthesis.error:
                readings.append(f"{point}: {outcome.synthesis.error}")
            else:
                readings.append(replace(outcome, point=point))
            progress(len(readings), max(total, len(readings)), f"{point.words} words, {point.concurrency} at once")
    return readings


def _sample(prompt: Sample, point: Point, folder: Path) -> Sample:
    """The utterance of a point; its prompt is repeated or cut to the asked length."""
    if prompt.prompt is None:
        return replace(prompt, text=text_of(point.words))
    import numpy as np

    from ttsbench import audio

    samples, rate = audio.read(prompt.prompt)
    wanted = max(1, round(point.prompt_seconds * rate))
    clip = folder / f"prompt-{point.prompt_seconds:g}s.flac"
    if not clip.exists():
        audio.write(clip, np.tile(samples, -(-wanted // samples.size))[:wanted], rate)
    return replace(prompt, text=text_of(point.words), prompt=clip)


def timed_speaker(spec: str, device: str) -> Callable[[Job], Reading]:
    """Worker set-up: load and time it, then answer jobs with Readings; the first job is spoken twice."""
    from ttsbench import energy, systems

    os.environ["TTSBENCH_DEVICE"] = device
    meter = energy.counter(device)
    start = time.perf_counter()
    system = systems.load(spec)
    load_seconds = time.perf_counter() - start
    if isinstance(system, Recorded):
        raise TypeError(f"{spec} holds recordings; there is nothing to time")
    warm = False

    def handle(job: Job) -> Reading:
        nonlocal warm
        if not warm:
            speak(system, job)
            warm = True
        before = None if isinstance(meter, str) else meter()
        began = time.monotonic()
        row, _ = speak(system, job)
        ended = time.monotonic()
        joules = None if isinstance(meter, str) or before is None else meter() - before
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        usage += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return Reading(Point(0, 0.0, 0), row, load_seconds, usage * 1024, _device_bytes(device), began, ended, joules)

    return handle


def _device_bytes(device: str) -> int | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


# --- from readings to numbers -------------------------------------------------------------------------------------


def gaps(row: Synthesis) -> list[float]:
    """Seconds between the arrivals of consecutive chunks."""
    return [later.at - earlier.at for earlier, later in zip(row.chunks, row.chunks[1:], strict=False)]


def stall_seconds(row: Synthesis) -> float:
    """Seconds playback would have stood still, had it begun with the first chunk."""
    stalled, end = 0.0, None
    for chunk in row.chunks:
        if end is not None and chunk.at > end:
            stalled += chunk.at - end
        end = max(chunk.at, chunk.at if end is None else end) + chunk.samples / row.sample_rate
    return stalled


def summary(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """One dict a point: quantiles with bootstrap intervals, throughput, memory. Latency and RTF in s and s/s."""
    rows = []
    for point in dict.fromkeys(reading.point for reading in readings):
        here = [reading for reading in readings if reading.point == point]
        rows.append({**asdict(point), "n": len(here), **_numbers(here)})
    return rows


def _numbers(here: list[Reading]) -> dict[str, Any]:
    alone = here[0].point.concurrency == 1
    seconds = sum(reading.synthesis.seconds for reading in here)
    wall = max(reading.ended for reading in here) - min(reading.began for reading in here)
    first = [reading.synthesis.chunks[0].at for reading in here]
    audible = [r.synthesis.audible for r in here if r.synthesis.audible is not None]
    total = [reading.synthesis.total or 0.0 for reading in here]
    joules = [reading.joules for reading in here if reading.joules is not None]
    metered = alone and seconds > 0 and len(joules) == len(here)
    spaces = [gap for reading in here for gap in gaps(reading.synthesis)]
    return {
        "audio_seconds": round(seconds / len(here), 3),
        "rtf": round(sum(total) / seconds, 4) if alone and seconds else None,
        "throughput": round(seconds / wall, 3) if wall > 0 else None,
        "total": quantiles(total),
        "first_chunk": quantiles(first),
        "first_audible": quantiles(audible),
        "gap": quantiles(spaces),
        "stalled": round(sum(stall_seconds(r.synthesis) for r in here) / len(here), 4),
        "stalls": sum(stall_seconds(r.synthesis) > 0.001 for r in here),
        "host_bytes": max(reading.host_bytes for reading in here),
        "device_bytes": max((r.device_bytes for r in here if r.device_bytes is not None), default=None),
        "load_seconds": round(max(reading.load_seconds for reading in here), 3),
        "joules_per_second": round(sum(joules) / seconds, 3) if metered else None,
    }


def quantiles(values: Sequence[float], seed: int = 0) -> dict[str, list[float]] | None:
    """{"p50": [value, low, high], ...} with 95 % percentile-bootstrap intervals; None without values."""
    import numpy as np

    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    again = np.random.default_rng(seed).choice(data, (1000, data.size))
    found = {}
    for percent in (50, 90, 95, 99):
        low, high = np.percentile(np.percentile(again, percent, axis=1), (2.5, 97.5))
        found[f"p{percent}"] = [round(float(x), 6) for x in (np.percentile(data, percent), low, high)]
    return found


def probe(device: str) -> dict[str, float]:
    """What this machine can do, by a short measurement: copy bandwidth in GB/s (read + write), matmul in GFLOP/s."""
    import torch

    result = {}
    place = torch.device(device)
    block = torch.ones(64 * 2**20 if place.type == "cpu" else 512 * 2**20, device=place)
    target = torch.empty_like(block)
    seconds = _best(lambda: target.copy_(block), place)
    result["copy_gb_per_s"] = round(2 * block.numel() * 4 / seconds / 1e9, 1)
    size = 1024 if place.type == "cpu" else 8192
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.randn(size, size, device=place).to(dtype)
        right = torch.randn(size, size, device=place).to(dtype)
        seconds = _best(lambda a=left, b=right: a @ b, place)  # type: ignore[misc]
        result[f"matmul_{str(dtype).split('.')[1]}_gflop_per_s"] = round(2 * size**3 / seconds / 1e9, 1)
    return result


def _best(call: Callable[[], Any], place: Any) -> float:
    """The shortest of several timed calls, the device synchronised; seconds."""
    import torch

    def settle() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    times = []
    for _ in range(6):
        settle()
        start = time.perf_counter()
        call()
        settle()
        times.append(time.perf_counter() - start)
    return min(times)
