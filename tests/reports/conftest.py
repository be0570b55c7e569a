"""Small run folders made by hand, with real tones as audio, so that reports need no models."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ttsbench import audio
from ttsbench.records import Metric, Sample, Score, Synthesis
from ttsbench.store import Run

from .gate import TEXTS as GATE_TEXTS

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "words wrong", shown="corpus")
SIM = Metric("sim_o", "SIM-o", "cosine", "higher", -1, 1, "similarity", "closeness to the prompt's voice")
DNSMOS = Metric("dnsmos", "DNSMOS", "MOS", "higher", 1, 5, "quality", "predicted quality")
RTF = Metric("rtf", "RTF", "", "lower", 0, None, "speed", "time per audio second", shown="corpus")
PESQ = Metric("pesq", "PESQ", "", "higher", 1, 4.64, "quality", "needs aligned signals")
METRICS = [WER, SIM, DNSMOS, RTF, PESQ]
TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "she sells sea shells by the sea shore",
    "a journey of a thousand miles begins with a single step",
    "to be or not to be that is the question",
    "please call stella and ask her to bring these things",
]


def tone(path: Path, hertz: float, seconds: float = 0.5) -> Path:
    time = np.arange(round(16000 * seconds)) / 16000
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32), 16000)
    return path


def samples_for(root: Path, texts: list[str], speakers: int = 10) -> list[Sample]:
    prompts = [tone(root / "prompts" / f"p{i}.flac", 200 + 20 * i) for i in range(min(speakers, len(texts)))]
    truths = [tone(root / "truth" / f"t{i}.flac", 300 + 10 * i) for i in range(min(5, len(texts)))]
    return [
        Sample(f"utt-{i:04d}", text, prompt=prompts[i % len(prompts)], prompt_text="a prompt",
               truth=truths[i % len(truths)],
               speaker=f"s{i % speakers}", category=("Questions", "Emotions")[i % 2])
        for i, text in enumerate(texts)
    ]  # fmt: skip


def scores_for(samples, error: float, sim: float, rng: np.random.Generator, timed: bool) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {metric.name: [] for metric in METRICS}
    for sample in samples:
        reference = sample.text.lower().split()
        heard = [word if rng.random() > error else rng.choice(["", "what", word + " uh"]) for word in reference]
        hypothesis = " ".join(word for word in heard if word)
        wrong = sum(a != b for a, b in zip(reference, heard, strict=True))
        detail = {"reference": " ".join(reference), "hypothesis": hypothesis}
        found["wer"].append(Score(sample.id, wrong / max(1, len(reference)), len(reference), detail=detail))
        found["sim_o"].append(Score(sample.id, float(rng.normal(sim, 0.05))))
        found["dnsmos"].append(Score(sample.id, float(np.clip(rng.normal(3.2 + sim, 0.2), 1, 5))))
        speed = Score(sample.id, float(rng.lognormal(-1, 0.1)), 3.0)
        found["rtf"].append(speed if timed else Score(sample.id, na="recordings were not timed"))
        found["pesq"].append(Score(sample.id, na="output and truth are not aligned in time"))
    return found


@pytest.fixture(scope="session")
def make_run():
    """make_run(root, name, error=, sim=, texts=, failed=, ...) -> path of a run folder."""

    def make(
        root: Path,
        name: str,
        error: float = 0.1,
        sim: float = 0.6,
        texts: list[str] | None = None,
        failed: tuple[int, ...] = (),
        seed: int = 0,
        version: str = "1.0",
        protocol: str = "embedded",
        protocol_version: int = 1,
        machine: str = "box",
        testset: str = "toy",
        criteria: dict | None = None,
        speakers: int = 10,
        sound: bool = True,
    ) -> Path:
        rng = np.random.default_rng(seed)
        samples = samples_for(root, TEXTS * 4 if texts is None else texts, speakers)
        truth = name == "ground-truth"
        info = {
            "system": {"name": name, "spec": name, "card": {
                "name": name, "version": version, "licence": "Apache-2.0", "parameters": None, "languages": ["en"]}},
            "testset": {"name": testset, "digest": f"{testset}digest", "licence": "CC0", "source": "made here",
                        "about": "Tones."},
            "criteria": criteria or {}, "seed": seed, "identity": {"spec": name, "seed": str(seed)},
            "machine": {"name": machine, "processor": "cpu", "cores": 2},
            "packages": {"numpy": "2"}, "code": {"version": "0.1"},
            "command": ["ttsbench", "run"], "started": "2026-01-01T00:00:00",
        }  # fmt: skip
        path = root / "runs" / f"{name}@{testset}"
        shutil.rmtree(path, ignore_errors=True)
        run = Run.create(path, info, samples)
        scores = scores_for(samples, error, sim, rng, timed=not truth)
        for index, sample in enumerate(samples):
            if index in failed:
                run.add_synthesis(Synthesis(sample.id, error="the system failed: out of memory"))
                scores["wer"][index] = Score(sample.id, 1.0, 5.0, error="no audio")
                scores["sim_o"][index] = Score(sample.id, None, error="no audio")
                scores["dnsmos"][index] = Score(sample.id, None, error="no audio")
                continue
            if sound:
                tone(path / "audio" / f"{sample.id}.flac", 250 + 5 * (index % 40))
            run.add_synthesis(Synthesis(sample.id, f"audio/{sample.id}.flac", "d", 16000, 0.5))
        about = {"name": protocol, "version": protocol_version, "title": "Embedded models",
                 "explain": "Models that lie inside their packages.", "source": ""}  # fmt: skip
        run.write_scores(about, scores, METRICS)
        return path

    return make


@pytest.fixture(scope="session")
def base(make_run, tmp_path_factory):
    """A scored run without audio, for `ttsbench compare`."""
    return make_run(tmp_path_factory.mktemp("gate"), "alpha", 0.1, 0.6, GATE_TEXTS, sound=False)


@pytest.fixture
def copy(base, tmp_path):
    """copy(name) -> a run folder equal to `base`."""
    return lambda name="new": shutil.copytree(base, tmp_path / name)


CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; skipped where it is not installed."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as engine:
        flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def plays():
    """Whether the sound of a page moves within five seconds; the pages forbid the scripts that waiting needs."""

    def moved(tab):
        for _ in range(100):
            if tab.evaluate("document.getElementById('sound').currentTime") > 0:
                return True
            tab.wait_for_timeout(50)
        return False

    return moved
