"""examples/ci/gate.yml: its steps run in a shell in place of GitHub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ttsbench.reports.comparison import thresholds

ROOT = Path(__file__).resolve().parents[2]
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


@pytest.fixture(scope="module")
def steps():
    """Step name (or its shell text) to its shell text."""
    jobs = yaml.safe_load((ROOT / "examples" / "ci" / "gate.yml").read_text("utf-8"))["jobs"]
    return {step.get("name", step["run"]): step["run"] for step in jobs["gate"]["steps"] if "run" in step}


def shell(text, folder, **env):
    """Run a step as GitHub does, with `ttsbench` standing for this checkout."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    command = tools / "ttsbench"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ttsbench "$@"\n')
    command.chmod(0o755)
    known = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=known, capture_output=True, text=True)


def test_it_installs_from_a_checkout(steps):
    said = steps["Install from the checkout"]
    assert re.fullmatch(r"python -m pip install -c harness/constraints.txt ./harness", said)
    assert (ROOT / "constraints.txt").exists() and not any("install ttsbench" in text for text in steps.values())


def test_failed_rows_do_not_keep_the_comparison_from_running(steps, tmp_path):
    text = steps["Speak and score"]
    for status, expected in ((0, 0), (1, 0), (2, 1)):
        tried = re.sub(r"^ttsbench .*? \|\|", f"(exit {status}) ||", text)
        assert shell(tried, tmp_path).returncode == expected


def test_the_comparison_step_judges_and_writes_its_files(steps, make_run, tmp_path):
    texts = [f"sentence number {n} to be said" for n in range(30)]
    for side, error in (("base", 0.0), ("new", 0.6)):
        made = make_run(tmp_path / "made" / side, "flite", error, texts=texts, testset="seed-mini", sound=False)
        (tmp_path / "runs" / side).mkdir(parents=True)
        made.rename(tmp_path / "runs" / side / made.name)
    env = {"NAME": "flite", "TESTSET": "seed-mini", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    done = shell(steps["Compare"], tmp_path, **env)
    assert done.returncode == 1 and "is worse than" in done.stderr, done.stderr
    assert (tmp_path / "compare.xml").exists() and (tmp_path / "compare.html").exists()
    assert (tmp_path / "summary.md").read_text().startswith("### ")


def test_the_thresholds_of_help_docs_and_example_can_be_read(steps):
    places = [
        *steps.values(),
        (ROOT / "docs" / "reports.md").read_text(),
        (ROOT / "ttsbench/commands/compare.py").read_text(),
    ]
    found = {text for place in places for text in re.findall(r"\bwer:[+\w.,:-]+", place)}
    assert len(found) >= 2
    known = {"wer", "rtf", "dnsmos-sig", "dnsmos-bak", "dnsmos-ovrl", "failures"}
    for text in found:
        assert thresholds.by_metric(thresholds.parse(text), known)
