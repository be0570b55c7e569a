"""`ttsbench profile`: latency, throughput and memory of systems on the hardware at hand.

Every point repeats one utterance of a given number of words, with a prompt of a given length, at a given concurrency;
where the system can, with chunks of a given size or several readings in one batch. Concurrency is worker processes;
RTF is taken of single utterances at concurrency 1 alone, throughput is audio seconds over wall seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import audio, playback, systems
from ttsbench.errors import UserError
from ttsbench.execute.local import Failed, run_tasks
from ttsbench.records import Batched, Beside, Chunk, Chunked, Recorded, Sample, Synthesis, System
from ttsbench.speaking import Job, speak
from ttsbench.speed import energy
from ttsbench.speed.busy import Watch
from ttsbench.speed.limits import Work, shares, work_of
from ttsbench.speed.memory import host_bytes

WORDS = """
    the morning train left the station a little late because snow had covered the rails and the driver waited until
    a man with a broom had cleared the last switch before the bridge where a family of ducks was walking home along
    the frozen river while children on the bank threw bread and shouted names they had made up for every bird
""".split()
LIMITS = (0.05, 0.1, 0.2)  # s, below which a caller hardly notices a wait: the share of requests under each
LONGEST_COUNTED = 20.0  # seconds of an utterance whose work is counted, which takes a few times as long


@dataclass(frozen=True)
class Point:
    """What was repeated: words of text, seconds of prompt, utterances at once in processes of their own, readings in
    one batch, and frames in a chunk (None: as the system does it by itself)."""

    words: int
    prompt_seconds: float
    concurrency: int = 1
    batch: int = 1
    chunk_frames: int | None = None

    @property
    def alone(self) -> bool:
        """Whether a real-time factor makes sense: one utterance at a time."""
        return self.concurrency == 1 and self.batch == 1


@dataclass(frozen=True)
class Reading:
    """One repetition: times in seconds, memory in bytes (device memory None without an accelerator).

    `joules` of the whole package or card; None where the device reports none (`energy.counter`). `work` of the point's
    utterance, counted once beside the timing. `chunked`, `batched`: whether the system has these settings.
    """

    point: Point
    synthesis: Synthesis
    load_seconds: float
    host_bytes: int
    device_bytes: int | None
    began: float
    ended: float
    joules: float | None = None
    work: Work | None = None
    chunked: bool = False
    batched: bool = False


@dataclass(frozen=True)
class Lost:
    """A repetition that failed: it was asked for, so it counts among a point's requests."""

    point: Point
    reason: str


@dataclass(frozen=True)
class Task:
    """One repetition, for a worker. `count`: count its work too, afterwards; for the last one, as it costs memory."""

    job: Job
    point: Point
    count: bool


def text_of(words: int) -> str:
    """A plain sentence of exactly `words` words (1 to any number; our own text, repeated when it runs out)."""
    if words < 1:
        raise UserError(f"a text needs at least one word, not {words}")
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
) -> list[Reading | Lost]:
    """Measure every point `repeat` times after one warm-up a process. A failure stands in place of its Reading.

    `prompt` lends its prompt audio, text, speaker and language; `folder` receives cut prompts and the log. Points with
    a chunk size or a batch are left out where the first points showed that the system has no such setting.
    """
    readings: list[Reading | Lost] = []
    chunked = batched = False
    for done, point in enumerate(points):
        if (point.chunk_frames is not None and not chunked) or (point.batch > 1 and not batched):
            continue
        sample = _sample(prompt, point, folder)
        seeds = range(max(repeat, point.concurrency))
        tasks = [
            Task(Job(sample, seed, Path(os.devnull), "profile"), point, point.alone and seed == seeds[-1])
            for seed in seeds
        ]
        outcomes = run_tasks(
            tasks, timed_speaker, (spec, device), jobs=point.concurrency, timeout=timeout, log=folder / "log.txt"
        )
        for count, (_, outcome) in enumerate(outcomes, 1):
            if isinstance(outcome, Failed):
                readings.append(Lost(point, outcome.reason))
            elif outcome.synthesis.error:
                readings.append(Lost(point, outcome.synthesis.error))
            else:
                readings.append(outcome)
                chunked, batched = outcome.chunked, outcome.batched
            progress(done * repeat + min(count, repeat), len(points) * repeat, words_for(point))
    return readings


def words_for(point: Point) -> str:
    """The point in a few words."""
    parts = [f"{point.words} words", f"{point.concurrency} at once"]
    parts += [f"batches of {point.batch}"] if point.batch > 1 else []
    parts += [f"chunks of {point.chunk_frames} frames"] if point.chunk_frames is not None else []
    return ", ".join(parts)


def _sample(prompt: Sample, point: Point, folder: Path) -> Sample:
    """The utterance of a point; its prompt is repeated or cut to the asked length, the prompt's text in proportion."""
    if prompt.prompt is None:
        return replace(prompt, text=text_of(point.words))
    samples, rate = audio.read(prompt.prompt)
    wanted = max(1, round(point.prompt_seconds * rate))
    clip = folder / f"prompt-{point.prompt_seconds:g}s.flac"
    if not clip.exists():
        audio.write(clip, np.tile(samples, -(-wanted // samples.size))[:wanted], rate)
    said = prompt.prompt_text.split()
    kept = round(len(said) * wanted / samples.size)
    prompt_text = " ".join((said * -(-kept // max(1, len(said))))[:kept])
    return replace(prompt, text=text_of(point.words), prompt=clip, prompt_text=prompt_text)


def timed_speaker(spec: str, device: str) -> Callable[[Task], Reading]:
    """Worker set-up: load and time it, then answer tasks with Readings; the first one is spoken twice."""
    meter = energy.counter(device)
    start = time.perf_counter()
    system = systems.load(spec, device)
    load_seconds = time.perf_counter() - start
    if isinstance(system, Recorded):
        raise UserError(f"{spec} holds recordings; there is nothing to time")
    warm, watch = False, Watch()
    beside = isinstance(system, Beside) and system.beside

    def handle(task: Task) -> Reading:
        nonlocal warm
        if isinstance(system, Chunked) and task.point.chunk_frames is not None:
            system.chunk_frames = task.point.chunk_frames
        if not warm:
            _spoken(system, task)
            warm = True
        before = None if isinstance(meter, str) else meter()
        watch.begin()
        began = time.monotonic()
        row = _spoken(system, task)
        ended = time.monotonic()
        use = watch.end()
        row = replace(row, cpu=use.cpu, others=None if beside else use.others, load=use.load)
        joules = None if isinstance(meter, str) or before is None else meter() - before
        reading = Reading(task.point, row, load_seconds, host_bytes(), _device_bytes(device), began, ended, joules)
        counted = task.count and not row.error and (row.total or 0.0) < LONGEST_COUNTED
        work = work_of(system, task.job.sample, task.job.seed) if counted else None
        return replace(reading, work=work, chunked=isinstance(system, Chunked), batched=isinstance(system, Batched))

    return handle


def _spoken(system: System, task: Task) -> Synthesis:
    """One utterance, or one batch of readings: then `seconds` is that of all, and nothing arrives before the end."""
    if task.point.batch == 1:
        return speak(system, task.job)[0]
    assert isinstance(system, Batched)
    job, rate = task.job, system.card.sample_rate
    start = time.perf_counter()
    try:
        made = system.readings(job.sample, job.seed, task.point.batch)
    except Exception as fault:  # as in `speaking.speak`: a row's error, never the run's
        return Synthesis(job.sample.id, seed=job.seed, error=f"{type(fault).__name__}: {fault}")
    total = time.perf_counter() - start
    length = sum(len(samples) for samples in made)
    if not length:
        return Synthesis(job.sample.id, seed=job.seed, error="the system gave no audio")
    return Synthesis(
        job.sample.id,
        sample_rate=rate,
        seconds=length / rate,
        chunks=(Chunk(total, length),),
        total=total,
        seed=job.seed,
    )


def _device_bytes(device: str) -> int | None:
    """The accelerator's peak; mps keeps no peak, there it is what the driver holds now."""
    if device == "cpu":
        return None
    import torch

    if device.startswith("mps"):
        return int(torch.mps.driver_allocated_memory())
    return int(torch.cuda.max_memory_allocated(device))


# --- from readings to numbers -------------------------------------------------------------------------------------


def throughputs(readings: Sequence[Reading]) -> list[float]:
    """Audio seconds a second that all workers made together, while each utterance was spoken."""
    found = []
    for reading in readings:
        made = 0.0
        for other in readings:
            shared = min(reading.ended, other.ended) - max(reading.began, other.began)
            if shared > 0 and other.ended > other.began:
                made += other.synthesis.seconds * shared / (other.ended - other.began)
        if reading.ended > reading.began:
            found.append(made / (reading.ended - reading.began))
    return found


def summary(
    readings: Sequence[Reading], frame_rate: float | None, limits: dict[str, float], lost: Sequence[Lost] = ()
) -> list[dict[str, Any]]:
    """One dict a point: quantiles with bootstrap intervals, throughput, memory, shares of the machine's `limits`.

    Shares of requests are of all that were asked for, `lost` ones too; a point that has none but these has no dict.

    Latency in s; RTF and throughput in s/s; `frames_per_second` where the system's card knows its `frame_rate`.
    """
    rows = []
    for point in dict.fromkeys(reading.point for reading in readings):
        here = [reading for reading in readings if reading.point == point]
        failed = sum(each.point == point for each in lost)
        numbers = _numbers(here, len(here) + failed, frame_rate)
        rows.append({**asdict(point), "n": len(here), "failed": failed, **numbers, **_work(here, limits)})
    return rows


def _numbers(here: list[Reading], requests: int, frame_rate: float | None) -> dict[str, Any]:
    point = here[0].point
    seconds = sum(reading.synthesis.seconds for reading in here)
    wall = max(reading.ended for reading in here) - min(reading.began for reading in here)
    busy = sum(reading.ended - reading.began for reading in here)
    wall = busy if point.concurrency == 1 else wall  # alone, what lies between two utterances is the harness's
    audible = [r.synthesis.audible for r in here if r.synthesis.audible is not None]
    total = [reading.synthesis.total or 0.0 for reading in here]
    factors = [(r.synthesis.total or 0.0) / r.synthesis.seconds for r in here if r.synthesis.seconds]
    joules = [reading.joules for reading in here if reading.joules is not None]
    metered = point.concurrency == 1 and seconds > 0 and len(joules) == len(here)
    stalls = [playback.stalls(r.synthesis.chunks, r.synthesis.sample_rate) for r in here]
    stalled = [sum(each) for each in stalls]
    throughput = seconds / wall if wall > 0 else None
    firsts = [playback.first_chunk(r.synthesis.chunks) for r in here]
    shares = [playback.first_share(r.synthesis.chunks, r.synthesis.total or 0.0) for r in here]
    return {
        "audio_seconds": round(seconds / len(here), 3),
        "rtf": round(sum(total) / seconds, 4) if point.alone and seconds else None,
        "rtf_each": quantiles(factors) if point.alone else None,
        "throughput": None if throughput is None else round(throughput, 3),
        "throughput_each": quantiles(throughputs(here)),
        "frames_per_second": round(throughput * frame_rate, 2) if throughput and frame_rate else None,
        "total": quantiles(total),
        "first_chunk": quantiles([at for at in firsts if at is not None]),
        "first_audible": quantiles(audible),
        "leading_silence": quantiles(
            [
                r.synthesis.audible - at
                for r, at in zip(here, firsts, strict=True)
                if at is not None and r.synthesis.audible is not None
            ]
        ),
        "audible_under": under(audible, requests),
        "stalled_under": under(stalled, requests),
        "first_share": quantiles([share for share in shares if share is not None]),
        "streams": playback.streams([share for share in shares if share is not None]),
        "gap": quantiles([gap for reading in here for gap in playback.gaps(reading.synthesis.chunks)]),
        "stall": quantiles(stalled),
        "stalled": round(sum(stalled) / len(here), 4),
        "stalls": sum(bool(each) for each in stalls),
        "busy": sum((r.synthesis.others or 0.0) > playback.BUSY for r in here),
        "host_bytes": max(reading.host_bytes for reading in here),
        "device_bytes": max((r.device_bytes for r in here if r.device_bytes is not None), default=None),
        "load_seconds": round(max(reading.load_seconds for reading in here), 3),
        "joules_per_second": round(sum(joules) / seconds, 3) if metered else None,
    }


def _work(here: list[Reading], limits: dict[str, float]) -> dict[str, Any]:
    """The point's counted work at the median real-time factor, under "work"; None where nothing could be counted."""
    work = next((reading.work for reading in here if reading.work is not None), None)
    factors = sorted((r.synthesis.total or 0.0) / r.synthesis.seconds for r in here if r.synthesis.seconds)
    if work is None or not factors or not factors[len(factors) // 2]:
        return {"work": None}
    return {"work": shares(work, factors[len(factors) // 2], limits)}


def under(values: Sequence[float], requests: int) -> dict[str, float]:
    """Share of all requests that stay below each of `LIMITS`, by milliseconds; a request without a value does not."""
    return {f"{1000 * limit:g}": round(sum(value < limit for value in values) / requests, 4) for limit in LIMITS}


def quantiles(values: Sequence[float], seed: int = 0) -> dict[str, list[float]] | None:
    """{"p50": [value, low, high], ...} with 95 % percentile-bootstrap intervals; None without values."""
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    again = np.random.default_rng(seed).choice(data, (1000, data.size))
    found = {}
    for percent in (50, 90, 95, 99):
        low, high = np.percentile(np.percentile(again, percent, axis=1), (2.5, 97.5))
        found[f"p{percent}"] = [round(float(x), 6) for x in (np.percentile(data, percent), low, high)]
    return found
