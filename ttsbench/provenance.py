"""What a run was made with: the state of this code, the packages, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ttsbench.version import __version__

PACKAGES = [
    "numpy",
    "scipy",
    "torch",
    "onnxruntime",
    "faster-whisper",
    "ctranslate2",
    "distillmos",
    "jiwer",
    "pesq",
    "pystoi",
    "soxr",
    "soundfile",
    "Resemblyzer",
    "speechmos",
    "openai-whisper",
    "transformers",
    "speechbrain",
]


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
