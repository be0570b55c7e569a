"""The shape of the house: rooms do not import each other, and the front door is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("systems", "testsets", "metrics", "reports")
SHARED = {"records", "audio", "errors", "mel", "digests"}
MAY_ALSO = {"reports": {"stats", "store"}, "testsets": set[str](), "systems": set[str](), "metrics": set[str]()}
LABORATORY = ("systems/scaling", "systems/training", "testsets/embedded/make.py", "testsets/embedded/choose.py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room: str) -> None:
    allowed = SHARED | MAY_ALSO[room] | {room}
    for path in (ROOT / room).rglob("*.py"):
        if path.relative_to(ROOT).as_posix().startswith(LABORATORY):
            continue
        parts = {name.split(".")[1] for name in imported(path) if name.startswith("ttsbench.")}
        assert parts <= allowed | {"__version__"}, f"{path.relative_to(ROOT)} imports {sorted(parts - allowed)}"
        bare = {name.split(".")[0] for name in imported(path)} & set(ROOMS)
        assert not bare, f"{path.relative_to(ROOT)} imports {bare} without ttsbench."


def test_the_harness_has_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for path in (ROOT / "ttsbench").glob("*.py"):
        tree = ast.parse(path.read_text())
        top = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
        graph[path.stem] = {node.module.split(".")[1] for node in top if node.module.startswith("ttsbench.")}
    done: set[str] = set()
    while left := {name for name in graph if name not in done}:
        free = {name for name in left if graph[name] & left <= set()}
        assert free, f"import cycle among {sorted(left)}"
        done |= free


@pytest.mark.parametrize("command", [["-c", "import ttsbench"], ["-m", "ttsbench", "--help"]])
def test_the_front_door_is_light(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    modules = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert not modules & {"torch", "numpy", "pandas", "matplotlib", "soundfile", "torchaudio"}


def test_only_speechbrain_needs_torchaudio() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for room in (*ROOMS, "ttsbench")
        for path in (ROOT / room).rglob("*.py")
        if any(name.split(".")[0] in ("torchaudio", "speechbrain") for name in imported(path))
    ]
    assert all("speechbrain" in path or "ecapa" in path for path in users), users
