"""Drive a system over a test set. The harness owns the clock and the seeds; the system only produces.

Each system runs in its own process, so that a crash or a hang is one failed row. Inside that process this module
takes the time of every chunk as it leaves the system.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.execute import Executor, Failed
from ttsbench.execute.local import Local, run_tasks
from ttsbench.playback import audible_at
from ttsbench.records import Card, Chunk, Recorded, Resynthesizer, Retry, Sample, Synthesis, System
from ttsbench.store import Run, StoreError, file_digest, file_name

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Job:
    """One utterance for a worker: the sample as the system sees it, its seed, and where the files go."""

    sample: Sample
    seed: int
    folder: Path
    name: str

    def files(self) -> list[Path]:
        """Its prompt and truth."""
        return [path for path in (self.sample.prompt, self.sample.truth) if path]

    def moved(self, here: Mapping[Path, Path], folder: Path) -> Job:
        """The job over copies of its prompt and truth, writing below `folder`."""
        prompt, truth = (path and here.get(path, path) for path in (self.sample.prompt, self.sample.truth))
        return replace(self, sample=replace(self.sample, prompt=prompt, truth=truth), folder=folder)


def seed_for(seed: int, sample_id: str) -> int:
    """A seed in [0, 2^31) that depends on the run's seed and the sample alone, not on order or resumption."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:4], "big") & 0x7FFFFFFF


def synthesize(
    run: Run,
    spec: str,
    *,
    jobs: int,
    timeout: float,
    device: str,
    retry: bool,
    progress: Progress,
    executor: Executor | None = None,
) -> list[str]:
    """Speak every sample of `run` that is not done yet; rows are kept as they come. Returns those that could not be.

    A row is done when synth.jsonl has it and its audio file is there unchanged. `retry` also redoes failed rows.
    """
    from ttsbench import systems

    samples = run.samples
    if systems.is_recorded(spec):
        system = systems.load(spec)
        assert isinstance(system, Recorded)
        return _collect(run, system, samples, progress)
    done = {key for key, row in run.syntheses.items() if _is_done(run, row, retry)}
    todo = [sample for sample in samples if sample.id not in done]
    tasks = [
        Job(_with_prompt_clip(run, sample), seed_for(run.info["seed"], sample.id), run.path, file_name(sample.id))
        for sample in todo
    ]
    lost: list[str] = []
    progress(len(done), len(samples), "speaking")
    executor = executor or Local()
    outcomes = executor.run(tasks, speaker, (spec, device), jobs=jobs, timeout=timeout, device=device, folder=run.path)
    for count, (index, outcome) in enumerate(outcomes, 1):
        if isinstance(outcome, Failed):
            outcome = Synthesis(todo[index].id, seed=tasks[index].seed, error=f"the system failed: {outcome.reason}")
        if not executor.timed:
            outcome = replace(outcome, chunks=(), total=None, audible=None)
        _keep(run, outcome, lost)
        progress(len(done) + count, len(samples), "speaking")
    return lost


def _keep(run: Run, row: Synthesis, lost: list[str]) -> None:
    try:
        run.add_synthesis(row)
    except OSError as fault:
        lost.append(f"{row.sample}: the row could not be written ({fault.strerror or fault})")


def _is_done(run: Run, row: Synthesis, retry: bool) -> bool:
    if row.error:
        return not retry
    path = run.audio(row)
    return path is not None and path.exists() and file_digest(path) == row.digest


def _with_prompt_clip(run: Run, sample: Sample) -> Sample:
    """For a continuation, the prompt as a file of its own; every system then sees a whole prompt file."""
    if sample.task != "continuation" or sample.prompt is None:
        return sample
    clip = (run.path / "prompts" / f"{file_name(sample.id)}.flac").resolve()
    if not clip.exists():
        try:
            samples, rate = audio.read(sample.prompt, stop=sample.prompt_seconds)
            audio.write(clip, samples, rate)
        except (audio.AudioError, OSError):
            return sample  # the worker meets the same fault and names it on the row
    return replace(sample, prompt=clip)


# --- speech that exists already -----------------------------------------------------------------------------------


def _collect(run: Run, system: Recorded, samples: list[Sample], progress: Progress) -> list[str]:
    """Copy recordings into the run folder. A recording that changed since the last time is taken again."""
    known = run.syntheses
    lost: list[str] = []
    for count, sample in enumerate(samples, 1):
        row = _recording(run, system, sample, known.get(sample.id))
        if row != known.get(sample.id):
            _keep(run, row, lost)
        progress(count, len(samples), "collecting")
    return lost


def _recording(run: Run, system: Recorded, sample: Sample, known: Synthesis | None) -> Synthesis:
    try:
        source = system.recording(sample)
        if source is None:
            return Synthesis(sample.id, error="no output: the folder holds no file for this id")
        digest = file_digest(source)
        if known and known.digest == digest and not known.error and (run.path / known.audio).exists():
            return known
        target = run.path / "audio" / (file_name(sample.id) + source.suffix.lower())
        samples, rate = audio.read(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except (audio.AudioError, OSError, ValueError) as fault:
        return Synthesis(sample.id, error=str(fault))
    name = target.relative_to(run.path).as_posix()
    seconds = samples.size / rate - (sample.prompt_seconds if sample.task == "continuation" else 0.0)
    return Synthesis(
        sample.id, name, digest, rate, round(seconds, 6), seed=0, note=audio.peculiarities(source, samples, rate)
    )


# --- inside the worker --------------------------------------------------------------------------------------------


def speaker(spec: str, device: str) -> Callable[[Job], Synthesis]:
    """Set up a worker: load the system; it answers jobs with Syntheses. The first job is spoken twice, to warm up."""
    from ttsbench import systems

    os.environ["TTSBENCH_DEVICE"] = device
    system = systems.load(spec)
    if isinstance(system, Recorded):
        raise UserError(f"{spec} holds recordings; they need no worker")
    warm = False

    def handle(job: Job) -> Synthesis:
        nonlocal warm
        if not warm:
            speak(system, replace(job, folder=Path(os.devnull)))
            warm = True
        row, _ = speak(system, job)
        return row

    return handle


def speak(system: System, job: Job, clock: Callable[[], float] = time.perf_counter) -> tuple[Synthesis, np.ndarray]:
    """One utterance, timed by `clock`: the row, and its samples at the card's rate. Faults become the row's error."""
    _set_seeds(job.seed)
    try:
        pieces, arrivals, total, retries = _timed(system, job, clock)
        speech = audio.check(np.concatenate([audio.check(piece) for piece in pieces])) if pieces else np.zeros(0)
        if speech.size == 0:
            raise audio.AudioError("the system gave no audio")
        row = replace(_row(system.card, job, speech, arrivals, total), retries=retries)
    except Exception as fault:  # whatever a system throws is this row's error, never the run's
        return Synthesis(job.sample.id, seed=job.seed, error=_explain(fault)), np.zeros(0)
    if job.folder == Path(os.devnull):
        return row, speech
    try:
        return _store(system, job, row, speech), speech
    except Exception as fault:
        return Synthesis(job.sample.id, seed=job.seed, error=_explain(fault)), speech


def _timed(system: System, job: Job, clock: Callable[[], float]) -> tuple[list[np.ndarray], list[Chunk], float, int]:
    """Chunks, their arrivals, the seconds to the end of the try that succeeded, and how many tries failed before it."""
    if job.sample.task == "resynthesis":
        if not isinstance(system, Resynthesizer):
            raise UserError(f"{system.card.name} has no codec round trip (no `resynthesize`)")
        source, source_rate = audio.read(job.sample.truth or "")
        start = clock()
        made = system.resynthesize(source, source_rate)
        total = clock() - start
        return [made], [Chunk(total, len(made))], total, 0
    pieces: list[np.ndarray] = []
    arrivals: list[Chunk] = []
    retries, longest = 0, audio.MAX_SECONDS * system.card.sample_rate
    start = clock()
    for piece in system.synthesize(job.sample, job.seed):
        at = clock() - start
        if isinstance(piece, Retry):
            pieces, arrivals, retries, start = [], [], retries + 1, clock()
            continue
        arrivals.append(Chunk(at, len(piece)))
        pieces.append(piece)
        if sum(chunk.samples for chunk in arrivals) > longest:
            raise audio.AudioError(f"more than {audio.MAX_SECONDS:.0f} s of audio, stopped")
    return pieces, arrivals, clock() - start, retries


def _row(card: Card, job: Job, speech: np.ndarray, arrivals: list[Chunk], total: float) -> Synthesis:
    rate = card.sample_rate
    onset = audio.first_audible(speech, rate)
    chunks = tuple(Chunk(round(chunk.at, 6), chunk.samples) for chunk in arrivals)
    return Synthesis(
        job.sample.id,
        sample_rate=rate,
        seconds=round(speech.size / rate, 6),
        chunks=chunks,
        total=round(total, 6),
        audible=None if onset is None else round(audible_at(chunks, rate, onset), 6),
        seed=job.seed,
        note="" if onset is not None else "nothing audible",
    )


def _store(system: System, job: Job, row: Synthesis, speech: np.ndarray) -> Synthesis:
    sample = job.sample
    if sample.task == "continuation" and sample.prompt is not None:
        speech = np.concatenate([audio.read_at(sample.prompt, row.sample_rate), speech])
    target = job.folder / "audio" / f"{job.name}.flac"
    audio.write(target, speech, row.sample_rate)
    resynthesis = ""
    if isinstance(system, Resynthesizer) and sample.prompt is not None and sample.task != "resynthesis":
        resynthesis = _resynthesis_of_prompt(system, job, sample.prompt)
    return replace(
        row,
        audio=target.relative_to(job.folder).as_posix(),
        digest=file_digest(target),
        resynthesis=resynthesis,
        note=row.note or audio.peculiarities(target, speech, row.sample_rate),
    )


def _resynthesis_of_prompt(system: Resynthesizer, job: Job, prompt: Path) -> str:
    """The prompt after the system's own codec, made once for each prompt; relative to the run folder."""
    target = job.folder / "resynthesis" / f"{file_digest(prompt)}.flac"
    if not target.exists():
        samples, rate = audio.read(prompt)
        made = audio.check(system.resynthesize(samples, rate))
        audio.write(target, made, system.card.sample_rate)  # type: ignore[attr-defined]
    return target.relative_to(job.folder).as_posix()


def _set_seeds(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _explain(fault: BaseException) -> str:
    if isinstance(fault, OSError) and fault.errno == errno.ENOSPC:
        return "the disk is full; make room and run again with --retry"
    text = str(fault).strip()
    return text if isinstance(fault, audio.AudioError) else f"{type(fault).__name__}: {text}"[:2000]


def card_of(spec: str) -> Card:
    """The card of a system. One that speaks is asked in a process of its own, so that loading it cannot hurt ours."""
    from ttsbench import systems

    try:
        if systems.is_recorded(spec):
            return systems.load(spec).card
    except ValueError as fault:
        raise StoreError(str(fault)) from fault
    for _, outcome in run_tasks([None], _card, (spec,)):
        if isinstance(outcome, Failed):
            raise StoreError(f"system {spec}: {outcome.reason}")
        return outcome
    raise AssertionError("one task, one outcome")


def _card(spec: str) -> Callable[[None], Card]:
    from ttsbench import systems

    system = systems.load(spec)
    return lambda task: system.card
