"""Drive a system over a test set. The harness owns the clock and the seeds; the system only produces.

Each system runs in its own process, so that a crash or a hang is one failed row. Inside that process this module
takes the time of every chunk as it leaves the system.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile

from ttsbench import audio, systems
from ttsbench.copies import copy_note
from ttsbench.errors import UserError
from ttsbench.execute import Executor, Failed
from ttsbench.execute.local import Local
from ttsbench.files import DiskFull, full_disk
from ttsbench.names import parted
from ttsbench.outcome import Patience, Progress, Say, Spoken, begun, told, unheard
from ttsbench.playback import BUSY, audible_at
from ttsbench.records import Beside, Card, Chunk, Recorded, Resynthesizer, Retry, Sample, Synthesis, System
from ttsbench.speed.busy import Watch
from ttsbench.store import Run, file_digest, file_name
from ttsbench.systems.errors import SpeechError

LEAST_ROOM = 1 << 20  # bytes: below that a disk is full


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
    """A seed in [0, 2^31) that depends on the run's seed and the sample alone, not on order or resumption.

    The rows of a sample that is spoken several times have the seeds of runs with `seed`, `seed` + 1 and so on.
    """
    sample_id, number = parted(sample_id)
    seed += number
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
    watched: bool = True,
    executor: Executor | None = None,
    say: Say = unheard,
) -> Spoken:
    """Speak every sample of `run` that is not done yet; rows are kept as they come.

    A row is done when synth.jsonl has it and its audio file is there unchanged. `retry` also redoes failed rows. After
    five equal failures in a row the rest of the system's rows get that reason; where a test set has several languages,
    the rest of that language. `watched`: say of each row how busy the machine was. `say` hears at once how many rows
    are kept, and in the end what went wrong. Raises DiskFull where there is no room, WorkerError where the system
    cannot be loaded; what was done before is kept.
    """
    executor = executor or Local()
    todo, asked = remaining(run, retry), asked_of(run)
    done = {sample.id for sample in asked} - {sample.id for sample in todo}
    result = Spoken(len(asked), len(done), 0, begun(run) if done else "")
    if result.kept_note:
        say(result.kept_note)
    progress(len(done), result.total, "speaking")
    timed = executor.timed and all(run.info.get(key, now) == now for key, now in (("jobs", jobs), ("device", device)))
    if todo and executor.timed and not timed:
        say(f"timings of {len(todo)} rows are left out: the run was begun with other --jobs or another --device")
    patience, warned = Patience(), not timed
    while todo:
        tasks = [
            Job(_with_prompt_clip(run, sample), seed_for(run.info["seed"], sample.id), run.path, file_name(sample.id))
            for sample in todo
        ]
        outcomes = executor.run(
            tasks, speaker, (spec, watched), jobs=jobs, timeout=timeout, device=device, folder=run.path
        )
        with contextlib.closing(outcomes):  # its workers end with it, also where a full disk ends the run
            for index, outcome in outcomes:
                row = _row_of(outcome, tasks[index])
                run.add_synthesis(row if timed else replace(row, chunks=(), total=None, audible=None))
                done.add(row.sample)
                progress(len(done), result.total, "speaking")
                if not warned and (row.others or 0.0) > BUSY:
                    warned = True
                    say(
                        f"other programs use {100 * (row.others or 0.0):.0f} % of this machine: timings of such rows "
                        "are shown, and not ranked or compared"
                    )
                if patience.ended(row.error, todo[index]):
                    break
        todo = [sample for sample in todo if sample.id not in done]
        for sample in [sample for sample in todo if sample.language in patience.stopped]:
            run.add_synthesis(Synthesis(sample.id, error=patience.stopped[sample.language]))
            done.add(sample.id)
        todo = [sample for sample in todo if sample.id not in done]
    progress(len(done), result.total, "speaking")
    return told(run, replace(result, stopped="; ".join(dict.fromkeys(patience.stopped.values()))), say)


def _row_of(outcome: Any, job: Job) -> Synthesis:
    """The row of what a worker answered. Raises the worker's DiskFull."""
    if isinstance(outcome, Failed):
        return Synthesis(job.sample.id, seed=job.seed, error=f"the system failed: {outcome.reason}")
    if isinstance(outcome, DiskFull):
        raise outcome
    return outcome


def remaining(run: Run, retry: bool) -> list[Sample]:
    """The samples that are still to be spoken."""
    done = {key for key, row in run.syntheses.items() if _is_done(run, row, retry)}
    return [sample for sample in asked_of(run) if sample.id not in done]


def asked_of(run: Run) -> list[Sample]:
    """The samples in the languages that the system's card names; all of them where the run has no card."""
    card = (run.info.get("system") or {}).get("card")
    known = msgspec.convert(card, Card) if card else None
    return [sample for sample in run.samples if known is None or known.speaks(sample.language)]


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
        except (audio.AudioError, OSError):  # not DiskFull, which ends the run
            return sample  # the worker meets the same fault and names it on the row
    return replace(sample, prompt=clip)


# --- inside the worker --------------------------------------------------------------------------------------------


def speaker(spec: str, watched: bool, device: str) -> Callable[[Job], Synthesis | DiskFull]:
    """Set up a worker: load the system; it answers jobs with Syntheses. The first job is spoken twice, to warm up."""
    system = systems.load(spec, device)
    if isinstance(system, Recorded):
        raise UserError(f"{spec} holds recordings; they need no worker")
    warm, watch = False, Watch()
    judged = watched and not (isinstance(system, Beside) and system.beside)

    def handle(job: Job) -> Synthesis | DiskFull:
        nonlocal warm
        try:
            if not warm:
                speak(system, replace(job, folder=Path(os.devnull)))
                warm = True
            watch.begin()
            row, _ = speak(system, job)
        except DiskFull as fault:  # a value, as exceptions lose their kind on the way to the run
            return fault
        use = watch.end()
        return replace(row, cpu=use.cpu, others=use.others if judged else None, load=use.load)

    return handle


def speak(system: System, job: Job, clock: Callable[[], float] = time.perf_counter) -> tuple[Synthesis, np.ndarray]:
    """One utterance, timed by `clock`: the row, and its samples at the card's rate. Faults become the row's error."""
    _set_seeds(job.seed)
    try:
        pieces, arrivals, total, retries, notes = _timed(system, job, clock)
        speech = audio.check(np.concatenate([audio.check(piece) for piece in pieces])) if pieces else np.zeros(0)
        if speech.size == 0:
            raise audio.AudioError("the system gave no audio")
        row = replace(_row(system.card, job, speech, arrivals, total), retries=retries)
        row = replace(row, note="; ".join(filter(None, (*notes, row.note))))
    except Exception as fault:  # whatever a system throws is this row's error, never the run's
        _raise_full_disk(fault, job.folder)
        _log(job, fault)
        return Synthesis(job.sample.id, seed=job.seed, error=explain(fault)), np.zeros(0)
    if job.folder == Path(os.devnull):
        return row, speech
    try:
        return _store(system, job, row, speech), speech
    except Exception as fault:
        _raise_full_disk(fault, job.folder)
        _log(job, fault)
        return Synthesis(job.sample.id, seed=job.seed, error=explain(fault)), speech


def _timed(
    system: System, job: Job, clock: Callable[[], float]
) -> tuple[list[np.ndarray], list[Chunk], float, int, list[str]]:
    """Chunks, their arrivals, the seconds to the end of the try that succeeded, how many tries failed before it, and
    the system's notes."""
    if job.sample.task == "resynthesis":
        if not isinstance(system, Resynthesizer):
            raise UserError(f"{system.card.name} has no codec round trip (no `resynthesize`)")
        source, source_rate = audio.read(job.sample.truth or "")
        start = clock()
        made = system.resynthesize(source, source_rate)
        total = clock() - start
        return [made], [Chunk(total, len(made))], total, 0, []
    pieces: list[np.ndarray] = []
    arrivals: list[Chunk] = []
    notes: list[str] = []
    retries, longest = 0, audio.MAX_SECONDS * system.card.sample_rate
    start = clock()
    for piece in system.synthesize(job.sample, job.seed):
        at = clock() - start
        if isinstance(piece, Retry):
            pieces, arrivals, notes, retries, start = [], [], [], retries + 1, clock()
            continue
        if isinstance(piece, str):
            notes.append(piece)
            continue
        arrivals.append(Chunk(at, len(piece)))
        pieces.append(piece)
        if sum(chunk.samples for chunk in arrivals) > longest:
            raise audio.AudioError(f"more than {audio.MAX_SECONDS:.0f} s of audio, stopped")
    return pieces, arrivals, clock() - start, retries, notes


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
    copy = copy_note(sample, speech, row.sample_rate)
    audio.write(target, speech, row.sample_rate)
    resynthesis = ""
    if isinstance(system, Resynthesizer) and sample.prompt is not None and sample.task != "resynthesis":
        resynthesis = _resynthesis_of_prompt(system, job, sample.prompt)
    return replace(
        row,
        audio=target.relative_to(job.folder).as_posix(),
        digest=file_digest(target),
        resynthesis=resynthesis,
        note=audio.peculiarities(speech, row.sample_rate, filter(None, (row.note, copy))),
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


def _raise_full_disk(fault: BaseException, folder: Path) -> None:
    """Raise DiskFull where a fault, of the system or of ours, says that there is no room."""
    if isinstance(fault, DiskFull):
        raise fault
    if full_disk(fault):
        assert isinstance(fault, OSError)
        raise DiskFull(fault.filename or tempfile.gettempdir()) from fault
    if isinstance(fault, soundfile.SoundFileError) and "System error" in str(fault):  # all that libsndfile says of it
        for place in (Path(tempfile.gettempdir()), folder):
            if place.is_dir() and shutil.disk_usage(place).free < LEAST_ROOM:
                raise DiskFull(place) from fault


def _log(job: Job, fault: BaseException) -> None:
    """The traceback of a system's own exception, for log.txt; what we or an adapter say in words needs none."""
    if isinstance(fault, (UserError, SpeechError)):
        return
    with contextlib.suppress(OSError):
        sys.stderr.write(f"--- {job.sample.id}\n")
        traceback.print_exception(fault)
        sys.stderr.flush()


def explain(fault: BaseException) -> str:
    """A fault in one line; of an exception that was not meant for readers, with its class."""
    text = " ".join(str(fault).split())
    return (text if isinstance(fault, (UserError, SpeechError)) else f"{type(fault).__name__}: {text}")[:2000]
