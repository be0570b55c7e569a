"""One run from start to page: make or resume the run folder, speak, score. What `ttsbench run` and `score` call."""

from __future__ import annotations

import datetime
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench import collecting, scoring, speaking, systems, testsets
from ttsbench.execute import Executor
from ttsbench.execute.local import Local
from ttsbench.execute.ray import Cluster
from ttsbench.files import LOCK, StoreError, empty, locked
from ttsbench.identity import card_of, differences, identity
from ttsbench.names import repetition
from ttsbench.outcome import Say, unheard
from ttsbench.provenance import provenance
from ttsbench.records import Card, Sample, TestSet
from ttsbench.store import Run

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Plan:
    """What was asked for, beyond which system and which test set."""

    protocols: tuple[str, ...] = ("embedded",)
    metrics: tuple[str, ...] = ()
    transcripts: Path | None = None
    out: Path = Path("runs")
    seed: int = 0
    seeds: int = 1
    jobs: int = 1
    score_jobs: int = 0
    timeout: float = 300.0
    device: str = "cpu"
    limit: int = 0
    again: bool = False
    retry: bool = False
    shared_machine: bool = False
    machine_price: float | None = None
    shard: tuple[int, int] | None = None
    ray: str | None = None
    title: str = ""
    threshold: tuple[tuple[str, float], ...] = ()


def executor(plan: Plan) -> Executor:
    """Where the plan's work is done."""
    return Local() if plan.ray is None else Cluster(plan.ray)


def run_one(spec: str, testset: TestSet, plan: Plan, progress: Progress, name: str = "", say: Say = unheard) -> Run:
    """Speak and score one system on one test set, resuming what is there.

    `say` hears in words what was kept from before and what went wrong. Raises UserError with what to do: another run
    lies in the folder, another process writes it, the system cannot speak here, the disk is full.
    """
    if plan.transcripts is None:
        scoring.check(plan.protocols, plan.device, plan.metrics)
    card = card_of(spec)
    name = name or card.name
    path = plan.out / f"{safe(name)}@{safe(testset.name)}"
    wanted = identity(spec, card, testset, plan.seed)
    if not (path / "run.json").exists():
        systems.check(spec, plan.device)
    if systems.is_recorded(spec):
        collecting.check(spec, testset.samples)
    with locked(path):
        run = _resumed(path, wanted, plan.again)
        if run and not systems.is_recorded(spec) and speaking.remaining(run, plan.retry):
            systems.check(spec, plan.device)
        run = run or _new(path, name, spec, card, testset, plan, wanted)
        if systems.is_recorded(spec):
            collecting.collect(run, spec, progress=progress, say=say)
        else:
            speaking.synthesize(
                run,
                spec,
                jobs=plan.jobs,
                timeout=plan.timeout,
                device=plan.device,
                retry=plan.retry,
                watched=not plan.shared_machine,
                progress=progress,
                executor=executor(plan),
                say=say,
            )
        _score(run, plan, progress)
    return run


def score_run(run: Run, plan: Plan, progress: Progress) -> None:
    """Score a run folder under the plan's protocols, from cached features where there are any."""
    with locked(run.path):
        _score(run, plan, progress)


def _score(run: Run, plan: Plan, progress: Progress) -> None:
    jobs = plan.score_jobs or os.cpu_count() or 1
    if plan.machine_price is not None and plan.machine_price != run.info.get("machine_price"):
        run.info["machine_price"] = plan.machine_price
        run.save_info()
    try:
        scoring.score(
            run,
            list(plan.protocols),
            jobs=jobs,
            device=plan.device,
            timeout=plan.timeout,
            progress=progress,
            executor=executor(plan),
            only=plan.metrics,
            transcripts=plan.transcripts,
        )
    except OSError as fault:
        raise StoreError(f"{run.path}: {fault}; what was computed is kept, run again to go on") from fault


def limited(testset: TestSet, limit: int, seed: int = 0) -> TestSet:
    """`limit` samples (0: all) drawn evenly over speakers, categories and languages, in the test set's order.

    The same seed draws the same samples, and a larger limit keeps those of a smaller one. Name and digest differ from
    the whole set's, so that part and whole are never mixed.
    """
    if not limit or limit >= len(testset.samples):
        return testset
    rest = list(testset.samples)
    random.Random(seed).shuffle(rest)
    sizes = [len(set(column)) for column in zip(*map(_groups, rest), strict=True)]
    used: Counter[tuple[int, str]] = Counter()
    chosen = set()

    def use(sample: Sample) -> int:
        """How much its speaker, category and language have been drawn already, each beside the others of its kind."""
        return sum(used[group] * size for group, size in zip(_groups(sample), sizes, strict=True))

    for _ in range(limit):
        best = min(rest, key=use)
        rest.remove(best)
        chosen.add(best.id)
        used.update(_groups(best))
    samples = tuple(sample for sample in testset.samples if sample.id in chosen)
    name = f"{testset.name}-sample{limit}" + (f"-seed{seed}" if seed else "")
    return replace(testset, name=name, samples=samples, digest=f"{testset.digest}:sample{limit}:{seed}")


def repeated(testset: TestSet, seeds: int) -> TestSet:
    """Every sample `seeds` times, for as many seeds of the systems: all samples, then all again.

    The rows of a sample have ids of their own (`names.repetition`), and count as one utterance in every interval and
    test. Name and digest differ from the test set's own, so that one seed and several are never mixed.
    """
    if seeds == 1:
        return testset
    samples = [replace(each, id=repetition(each.id, k)) for k in range(seeds) for each in testset.samples]
    name, digest = f"{testset.name}-{seeds}seeds", f"{testset.digest}:seeds{seeds}"
    return replace(testset, name=name, samples=tuple(samples), digest=digest)


def _groups(sample: Sample) -> tuple[tuple[int, str], ...]:
    return tuple(enumerate((sample.speaker, sample.category, sample.language)))


def speaks(card: Card, testset: TestSet) -> bool:
    """Whether the system knows any language of the test set; it is asked for the rows of those alone."""
    return any(card.speaks(sample.language) for sample in testset.samples)


def _resumed(path: Path, wanted: dict[str, str], again: bool) -> Run | None:
    """The run that lies in a locked folder, or None where a new one is to be made: then the folder is empty."""
    if not again and (path / "run.json").exists():
        run = Run.open(path)
        changed = differences(run.info.get("identity", {}), wanted)
        if changed:
            raise StoreError(
                f"{path} holds another run: {'; '.join(changed)}. Give another --out to keep it, --again to start over"
            )
        return run
    rest = [each for each in path.iterdir() if each.name != LOCK]
    if rest and not any((path / name).exists() for name in ("run.json", "samples.jsonl")):
        raise StoreError(f"{path} exists and is not a run folder: give another --out")
    empty(path)
    return None


def _new(path: Path, name: str, spec: str, card: Card, testset: TestSet, plan: Plan, wanted: dict[str, str]) -> Run:
    info = {
        "system": {"name": name, "spec": spec, "card": asdict(card)},
        "testset": {
            "name": testset.name,
            "digest": testset.digest,
            "licence": testset.licence,
            "source": testset.source,
            "about": testset.about,
            "samples": len(testset.samples),
        },
        "criteria": _criteria(testset),
        "shard": plan.shard,
        "spread": executor(plan).where or None,
        "identity": wanted,
        "seed": plan.seed,
        "seeds": plan.seeds,
        "jobs": plan.jobs,
        "device": plan.device,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        **provenance(),
    }
    return Run.create(path, info, testset.samples)


def _criteria(testset: TestSet) -> dict[str, Any]:
    """What raters look at in each category of the test set, where we have words for it."""
    categories = {sample.category for sample in testset.samples}
    languages = {sample.language for sample in testset.samples} & {"en", "zh"}
    guides = [testsets.criteria(language) for language in sorted(languages)] if categories != {""} else []
    return {name: words for guide in guides for name, words in guide.items() if name in categories}


def safe(name: str) -> str:
    """A name for a folder: letters, digits, dot, dash, underscore, plus."""
    return re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "unnamed"
