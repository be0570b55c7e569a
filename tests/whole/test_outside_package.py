"""Another package adds a metric, a protocol, a test set and a system by entry points alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from ttsbench.store import Run

ENTRY_POINTS = """
[ttsbench.metrics]
peak = outside.peak
[ttsbench.protocols]
loudness = outside.loudness
[ttsbench.testsets]
two-lines = outside.two_lines
[ttsbench.systems]
hum = outside.hum:Hum
"""
PEAK = '''
"""A metric with an extractor of its own."""
from dataclasses import replace
from ttsbench import audio
from ttsbench.metrics.models import one_by_one
from ttsbench.records import Measure, Metric, Request, Score

BATCH = 8

def identity(settings):
    return {"model": "peak", "version": "1"}

def load(settings, device):
    return one_by_one(lambda request: {"peak": float(abs(audio.read(request.audio)[0]).max())})

def _score(item, features):
    error = item.synthesis.error or features[0].error
    return Score(item.sample.id, None if error else features[0].value["peak"], error=error)

def measures():
    metric = Metric("peak", "Peak", "", "neither", 0.0, 1.0, "quality", "largest absolute sample")
    peak = Measure(metric, lambda item: "", lambda item: (Request("outside.peak", item.audio),), _score)
    return (peak, replace(peak, metric=replace(metric, name="peak-again")))
'''
LOUDNESS = """
from ttsbench.metrics.timing import rtf
from ttsbench.records import Protocol
from outside.peak import measures

def make():
    return Protocol("loudness", 3, "Loudness", "The largest sample.", (measures()[0], rtf()), ("en",))
"""
HUM = """
import numpy as np
from ttsbench.records import Card

class Hum:
    card = Card("hum", sample_rate=16000, languages=("en",))

    def synthesize(self, sample, seed):
        yield (0.25 * np.sin(np.arange(16000) / 20)).astype(np.float32)
"""
SET = {"rows": 2, "seconds": 0, "languages": ["en"], "licence": "CC0", "about": "two sentences"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The package as pip would have put it: modules, data and a .dist-info folder."""
    site = tmp_path / "site"
    for name, text in (("__init__", ""), ("peak", PEAK), ("loudness", LOUDNESS), ("hum", HUM)):
        path = site / "outside" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site / "outside" / "two_lines").mkdir()
    (site / "outside" / "two_lines" / "set.json").write_text(json.dumps(SET))
    (site / "outside" / "two_lines" / "list.tsv").write_text("id\ttext\na\tone two\nb\tthree four\n")
    about = site / "outside-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path]), "OMP_NUM_THREADS": "1"}


def ttsbench(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ttsbench", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_an_outside_package_adds_one_of_each(environment: dict[str, str], tmp_path: Path) -> None:
    words = ["--system", "hum", "--testset", "two-lines", "--protocol", "loudness", "--protocol", "peak"]
    done = ttsbench(environment, "run", *words, "--out", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "runs" / "hum@two-lines")
    assert run.protocols() == ["loudness", "peak"]
    assert run.protocol("loudness")["version"] == 3
    for protocol in run.protocols():
        scores = run.scores(protocol, "peak")
        assert [(row.sample, row.error) for row in scores] == [("a", ""), ("b", "")]
        assert all(row.value == pytest.approx(0.25, abs=1e-3) for row in scores)
    assert soundfile.info(str(run.path / run.syntheses["a"].audio)).frames == 16000


@pytest.mark.parametrize(
    ("what", "name"),
    [("systems", "hum"), ("testsets", "two-lines"), ("protocols", "loudness"), ("metrics", "peak-again")],
)
def test_what_an_outside_package_adds_is_listed(environment: dict[str, str], what: str, name: str) -> None:
    done = ttsbench(environment, "list", what, "--json")
    assert done.returncode == 0, done.stderr
    assert name in {row["name"] for row in json.loads(done.stdout)}
