"""examples/ci: the workflow and its composite action, run step by step in a shell in place of GitHub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.reports.comparison import thresholds

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "examples" / "ci"
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
SYSTEM = """
import numpy as np
from ttsbench.records import Card

class Hum:
    card = Card("hum", version="VERSION")

    def synthesize(self, sample, seed):
        if sample.id in BROKEN:
            raise RuntimeError("no voice")
        yield (0.3 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)).astype(np.float32)
"""
PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then printf '%s\\n' "$@" > "$LOG/pip"; exit 0; fi
exec "{python}" "$@"
"""
GH = """#!/bin/sh
printf '%s\\n' "$@" > "$LOG/gh"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with a system and a test set of six rows; `bin/` has the programs that a runner has."""
    (tmp_path / "truth").mkdir()
    for number in range(6):
        noise = np.random.default_rng(number).normal(0, 0.1, 16000).clip(-1, 1)
        soundfile.write(tmp_path / "truth" / f"u{number}.wav", noise, 16000)
    texts = [f"u{number}\ta sentence to say" for number in range(6)]
    (tmp_path / "truth" / "transcripts.tsv").write_text("\n".join(["utt\ttext", *texts, ""]))
    tools = {
        "ttsbench": f'#!/bin/sh\nexec "{sys.executable}" -m ttsbench "$@"\n',
        "python": PYTHON.format(python=sys.executable),
        "gh": GH,
    }
    (tmp_path / "bin").mkdir()
    for name, text in tools.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def system(place: Path, version: str, broken: str) -> None:
    """A checkout with another state of the system: nothing of an earlier job lies there."""
    shutil.rmtree(place / "runs" / "new", ignore_errors=True)
    (place / "hum.py").write_text(SYSTEM.replace("VERSION", version).replace("BROKEN", repr(broken.split())))


class Runner:
    """What GitHub does with a composite action, as far as this one needs it."""

    def __init__(self, place: Path, event: str = "pull_request", **given: str) -> None:
        self.place = place
        action = yaml.safe_load((CI / "action" / "action.yml").read_text("utf-8"))
        wanted = {name for name, about in action["inputs"].items() if about.get("required")}
        assert wanted <= set(given) <= set(action["inputs"]), "an input is missing or unknown"
        inputs = {name: str(about.get("default", "")) for name, about in action["inputs"].items()}
        self.known = {f"inputs.{name}": value for name, value in (inputs | given).items()}
        self.known |= {
            "github.action_path": str(CI / "action"), "github.event_name": event, "github.token": "secret",
            "github.repository": "me/speech", "github.event.pull_request.number": "7",
        }  # fmt: skip
        self.steps = action["runs"]["steps"]
        assert action["runs"]["using"] == "composite" and all(step["shell"] == "bash" for step in self.steps)

    def filled(self, text: str) -> str:
        while "${{" in text:
            text = re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: self.known.get(found[1], ""), text)
        return text

    def wanted(self, condition: str) -> bool:
        found = []
        for part in condition.split(" && "):
            name, sign, value = part.split(" ")
            found.append((self.known.get(name, "") == value.strip("'")) == (sign == "=="))
        return all(found)

    def run(self) -> dict[str, subprocess.CompletedProcess[str]]:
        """Every step until one fails, by name."""
        done: dict[str, subprocess.CompletedProcess[str]] = {}
        for step in self.steps:
            if not self.wanted(step.get("if", "github.token != ''")):
                continue
            files = {name: self.place / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
            files["GITHUB_OUTPUT"].write_text("")
            env = {
                **os.environ, **{name: str(path) for name, path in files.items()},
                **{name: self.filled(value) for name, value in step.get("env", {}).items()},
                "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LOG": str(self.place),
            }  # fmt: skip
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.filled(step["run"])]
            done[step["name"]] = subprocess.run(command, cwd=self.place, env=env, capture_output=True, text=True)
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                name, _, value = line.partition("=")
                self.known[f"steps.{step['id']}.outputs.{name}"] = value
            if done[step["name"]].returncode:
                break
        return done


GIVEN = {
    "system": "python:hum.py:Hum", "name": "hum", "testset": "folder=truth,name=toy",
    "options": "--metrics rtf,length-ratio --shared-machine",
}  # fmt: skip


def test_the_action_installs_runs_compares_comments_and_judges(place: Path) -> None:
    system(place, "1", "")
    done = Runner(place, event="push", **GIVEN).run()  # of the main branch: there is nothing to compare with
    assert list(done) == ["Install", "Run", "Compare"] and not any(step.returncode for step in done.values()), done
    words = (place / "pip").read_text().split("\n")
    constraints, harness = Path(words[4]), Path(words[5].removesuffix("[judges]"))
    assert words[:4] == ["-m", "pip", "install", "-c"] and words[5].endswith("[judges]")
    assert constraints.samefile(ROOT / "constraints.txt") and (harness / "pyproject.toml").samefile(
        ROOT / "pyproject.toml"
    )
    assert "nothing at runs/base" in (place / "GITHUB_STEP_SUMMARY").read_text() and not (place / "gh").exists()
    shutil.copytree(place / "runs" / "new", place / "runs" / "base")

    system(place, "2", "u3")  # a pull request
    given = {**GIVEN, "fail-on": "rtf:off,length-ratio:off"}
    done = Runner(place, **given).run()
    assert {name: step.returncode for name, step in done.items()} == {
        "Install": 0, "Run": 0, "Compare": 0, "Comment": 0, "Verdict": 1,
    }, done  # fmt: skip
    text = (place / "runs" / "new" / "compare.md").read_text()
    assert text.startswith("### ❌") and text in (place / "GITHUB_STEP_SUMMARY").read_text()
    said = (place / "gh").read_text().split("\n")
    assert said[:5] == ["pr", "comment", "7", "--repo", "me/speech"]
    assert (place / said[said.index("--body-file") + 1]).read_text() == text
    assert {"compare.xml", "compare.html", "report.html"} <= {path.name for path in (place / "runs" / "new").iterdir()}

    done = Runner(place, **{**given, "fail-on-error": "0.1", "comment": "false"}).run()
    assert list(done) == ["Install", "Run"] and "16.7 % of the rows of hum on toy failed" in done["Run"].stderr
    system(place, "3", "")
    done = Runner(place, **{**given, "comment": "false"}).run()
    assert list(done) == ["Install", "Run", "Compare", "Verdict"] and not done["Verdict"].returncode


def test_a_comparison_that_cannot_be_made_fails_in_its_step(place: Path) -> None:
    system(place, "1", "")
    (place / "runs" / "base").mkdir(parents=True)
    done = Runner(place, **GIVEN).run()
    assert list(done) == ["Install", "Run", "Compare"] and done["Compare"].returncode == 1
    assert "runs/base" in done["Compare"].stderr


def test_the_workflow_uses_the_action_as_it_is() -> None:
    workflow = yaml.safe_load((CI / "gate.yml").read_text("utf-8"))
    steps = workflow["jobs"]["gate"]["steps"]
    checkout = next(
        step["with"]["path"] for step in steps if "path" in step.get("with", {}) and "repository" in step["with"]
    )
    (used,) = [step for step in steps if step.get("uses", "").startswith("./")]
    folder = Path(used["uses"]).relative_to(checkout)
    action = yaml.safe_load((ROOT / folder / "action.yml").read_text("utf-8"))
    assert set(used["with"]) <= set(action["inputs"])
    assert {name for name, about in action["inputs"].items() if about.get("required")} <= set(used["with"])
    assert workflow["permissions"]["pull-requests"] == "write"


def test_the_thresholds_of_help_docs_and_example_can_be_read() -> None:
    places = [CI / "gate.yml", CI / "README.md", ROOT / "docs" / "reports.md", ROOT / "ttsbench/commands/compare.py"]
    found = {text for place in places for text in re.findall(r"\bwer:[+\w.,:-]+", place.read_text())}
    assert len(found) >= 2
    known = {"wer", "rtf", "dnsmos-sig", "dnsmos-bak", "dnsmos-ovrl", "failures"}
    for text in found:
        assert thresholds.by_metric(thresholds.parse(text), known)
