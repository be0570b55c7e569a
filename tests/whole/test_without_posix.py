"""Without what only Unix has, as on Windows: listing, scoring, reporting work; outside programs say why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = '''
import os, psutil, signal, sys  # psutil needs some of them here
NAMES = """setsid killpg getpgid getpgrp getuid geteuid sysconf sched_getaffinity getloadavg fork nice 
    statvfs fchmod"""
for name in NAMES.split():
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGALRM", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(HIDDEN)
    return tmp_path


def called(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a Python without these names; its worker processes lack them, too."""
    paths = {**os.environ, "PYTHONPATH": f"{place / 'hidden'}{os.pathsep}{ROOT}"}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=place, env=paths, timeout=120)


def test_the_names_are_hidden(place: Path) -> None:
    done = called(
        place, "-c", "import os\ntry:\n    import fcntl\nexcept ImportError:\n    print(hasattr(os, 'setsid'))"
    )
    assert done.stdout.strip() == "False", done.stderr


def test_listing_scoring_and_reporting(place: Path) -> None:
    listed = called(place, "-m", "ttsbench", "list", "systems")
    assert listed.returncode == 0 and "In this repository:" in listed.stdout, listed.stderr[-800:]
    (place / "audio").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        soundfile.write(place / "audio" / f"{name}.wav", rng.normal(0.0, 0.1, 16000), 16000)
    (place / "set.tsv").write_text("id\ttext\na\tone two three\nb\tfour five\n", encoding="utf-8")
    words = ["score", "audio", "--testset", "manifest=set.tsv", "--metrics", "characters-per-second", "--out", "runs"]
    scored = called(place, "-m", "ttsbench", *words)
    assert scored.returncode == 0, scored.stdout[-400:] + scored.stderr[-800:]
    (run,) = [path.parent for path in (place / "runs").glob("*/run.json")]
    reported = called(place, "-m", "ttsbench", "report", str(run), "--out", "page")
    assert reported.returncode == 0 and (place / "page" / "report.html").is_file(), reported.stderr[-800:]


def test_outside_programs_say_what_is_missing(place: Path) -> None:
    probe = (
        "from pathlib import Path\nfrom ttsbench.speed import latency, memory\n"
        "from ttsbench.systems.adapters.process import Program\nprint(memory.host_bytes() > 10**6)\n"
        "try:\n    Program(['echo'], Path('log'), 0, None)\nexcept Exception as fault:\n    print(fault)\n"
    )
    done = called(place, "-c", probe)
    assert done.stdout.splitlines()[0] == "True", done.stderr[-800:]
    assert "process groups, which Windows has none of" in done.stdout
