"""One run from start to page: make or resume the run folder, speak, score. What `ttsbench run` and `score` call."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from ttsbench.execute import Executor
from ttsbench.execute.local import Local
from ttsbench.execute.ray import Cluster
from ttsbench.records import Card, TestSet
from ttsbench.store import Run, StoreError
from ttsbench.version import __version__

Progress = Callable[[int, int, str], None]
PACKAGES = [
    "numpy",
    "scipy",
    "torch",
    "onnxruntime",
    "pocketsphinx",
    "jiwer",
    "pesq",
    "pystoi",
    "soxr",
    "soundfile",
    "librosa",
    "Resemblyzer",
    "speechmos",
    "openai-whisper",
    "transformers",
    "speechbrain",
    "torchmetrics",
]


@dataclass(frozen=True)
class Plan:
    """What was asked for, beyond which system and which test set."""

    protocols: tuple[str, ...] = ("embedded",)
    metrics: tuple[str, ...] = ()
    transcripts: Path | None = None
    out: Path = Path("runs")
    seed: int = 0
    jobs: int = 1
    score_jobs: int = 0
    timeout: float = 300.0
    device: str = "cpu"
    limit: int = 0
    again: bool = False
    retry: bool = False
    shard: tuple[int, int] | None = None
    ray: str | None = None


def executor(plan: Plan) -> Executor:
    """Where the plan's work is done."""
    return Local() if plan.ray is None else Cluster(plan.ray)


def run_one(spec: str, testset: TestSet, plan: Plan, progress: Progress, name: str = "") -> Run:
    """Speak and score one system on one test set, resuming what is there. Raises StoreError with what to do."""
    from ttsbench import speaking as synth

    run = _folder(spec, testset, plan, name)
    lost = synth.synthesize(
        run,
        spec,
        jobs=plan.jobs,
        timeout=plan.timeout,
        device=plan.device,
        retry=plan.retry,
        progress=progress,
        executor=executor(plan),
    )
    if lost:
        raise StoreError(f"{run.path}: {len(lost)} rows could not be kept; make room and run again. First: {lost[0]}")
    score_run(run, plan, progress)
    return run


def score_run(run: Run, plan: Plan, progress: Progress) -> None:
    """Score a run folder under the plan's protocols, from cached features where there are any."""
    from ttsbench import scoring as score

    jobs = plan.score_jobs or os.cpu_count() or 1
    try:
        score.score(
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


def limited(testset: TestSet, limit: int) -> TestSet:
    """The first `limit` samples (0: all), under another digest, so that part and whole are never mixed."""
    if not limit or limit >= len(testset.samples):
        return testset
    name = f"{testset.name}-first{limit}"
    return replace(testset, name=name, samples=testset.samples[:limit], digest=f"{testset.digest}:{limit}")


def speaks(card: Card, testset: TestSet) -> bool:
    """Whether the system knows any language of the test set ('*' in the card: every language)."""
    return "*" in card.languages or bool({sample.language for sample in testset.samples} & set(card.languages))


def _folder(spec: str, testset: TestSet, plan: Plan, name: str) -> Run:
    from ttsbench import speaking as synth

    card = synth.card_of(spec)
    name = name or card.name
    path = plan.out / f"{safe(name)}@{safe(testset.name)}"
    asked = {"spec": spec, "testset_digest": testset.digest, "seed": plan.seed, "jobs": plan.jobs}
    if (path / "run.json").exists() and not plan.again:
        run = Run.open(path)
        for key, value in asked.items():
            if run.info["asked"].get(key) != value:
                raise StoreError(
                    f"{path} holds a run with {key} {run.info['asked'].get(key)!r}, now {value!r} is asked: "
                    "give another --out, or --again to start over"
                )
        return run
    if path.exists():
        if not (path / "samples.jsonl").exists():
            raise StoreError(f"{path} exists and is not a run folder: give another --out")
        shutil.rmtree(path)
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
        "asked": asked,
        "seed": plan.seed,
        "jobs": plan.jobs,
        "device": plan.device,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        **provenance(),
    }
    return Run.create(path, info, testset.samples)


def _criteria(testset: TestSet) -> dict[str, Any]:
    """What raters look at in each category of the test set, where we have words for it."""
    from ttsbench import testsets

    categories = {sample.category for sample in testset.samples}
    languages = {sample.language for sample in testset.samples} & {"en", "zh"}
    guides = [testsets.criteria(language) for language in sorted(languages)] if categories != {""} else []
    return {name: words for guide in guides for name, words in guide.items() if name in categories}


def safe(name: str) -> str:
    """A name for a folder: letters, digits, dot, dash, underscore, plus."""
    return re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "unnamed"


def provenance() -> dict[str, Any]:
    """Code version, packages and machine, as they are now."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "code": {"version": __version__, **_git()},
        "packages": packages,
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """What the timings were taken on."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "name": platform.node(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _git() -> dict[str, Any]:
    """Commit and dirty flag where the code runs from its own checkout, else nothing."""
    here = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if git("rev-parse", "--show-toplevel") != str(here):
            return {}
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.TimeoutExpired):
        return {}


def as_json(record: Any) -> str:
    """One line of JSON, for --json."""
    return json.dumps(record, ensure_ascii=False, default=str, allow_nan=False)
