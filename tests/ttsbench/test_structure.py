"""How modules depend: no import runs in a circle, folders import only what they may, `import ttsbench` loads little."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("systems", "testsets", "metrics", "reports")
SHARED = {"records", "audio", "errors", "mel", "digests", "playback", "names", "pcm", "wav", "containers"}
MAY_ALSO = {
    "reports": {"stats", "significance", "store", "agreement"},
    "testsets": set[str](),
    "systems": set[str](),
    "metrics": {"copies"},
}
TOOLS = ("systems/scaling", "systems/training", "testsets/embedded/make.py", "testsets/embedded/choose.py")
FRONT_END = "ttsbench.systems.text"  # a library of its own: metrics count phones with it
LONGEST = 350  # lines of a file


@functools.cache
def modules() -> dict[str, Path]:
    """Every module below ttsbench by its dotted name; the folders lie beside the package and are linked into it."""
    places = {ROOT / "ttsbench": "ttsbench", **{ROOT / folder: f"ttsbench.{folder}" for folder in FOLDERS}}
    found = {}
    for place, prefix in places.items():
        for path in place.rglob("*.py"):
            if place.name == "ttsbench" and path.relative_to(place).parts[0] in FOLDERS:
                continue
            parts = path.relative_to(place).with_suffix("").parts
            found[".".join([prefix, *(part for part in parts if part != "__init__")])] = path
    return found


def imported(path: Path) -> set[str]:
    """Every name that a file imports, inside functions too; not what stands under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(), str(path))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for statement in block.body
        for node in ast.walk(statement)
    }
    names = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


@functools.cache
def graph() -> dict[str, set[str]]:
    """Module to the modules it imports. `from package import module` is an import of the module alone."""
    known = modules()
    edges = {}
    for name, path in known.items():
        wanted = imported(path)
        found = {each for each in wanted if each in known}
        packages = {each for each in found if known[each].name == "__init__.py"}
        tree = ast.parse(path.read_text())
        for package in packages:  # a package counts only where something of its own is taken
            names = {
                alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.module == package
                for alias in node.names
            }
            if names and all(f"{package}.{each}" in known for each in names):
                found.discard(package)
        edges[name] = found - {name}
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan's strongly connected components, of more than one)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(edges.get(name, ())):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            group = sorted(stack[at:])
            del stack[at:]
            if len(group) > 1:
                found.append(group)

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return found


def test_a_circle_is_seen_and_a_chain_is_none() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]


def test_imports_inside_functions_are_seen(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("if TYPE_CHECKING:\n    import a\ndef f():\n    from b import c\n")
    assert imported(tmp_path / "x.py") == {"b", "b.c"}


def test_no_import_runs_in_a_circle() -> None:
    assert len(graph()) > 200 and sum(map(len, graph().values())) > 300
    assert circles(graph()) == []


def test_own_modules_are_imported_at_the_top_but_for_heavy_ones() -> None:
    inside = set()
    for name, path in modules().items():
        # a command, and the types of its options, load what they need when it runs
        if name.startswith(("ttsbench.systems", "ttsbench.commands", "ttsbench.arguments")):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                found = {node.module or "" for node in ast.walk(function) if isinstance(node, ast.ImportFrom)}
                inside |= {name for each in found if each.startswith("ttsbench")}
    assert inside == {
        "ttsbench",  # the functions of the API, when first used
        "ttsbench.metrics.quality.masked_prosody",  # torch, as the next four
        "ttsbench.metrics.quality.utmos22",
        "ttsbench.metrics.speakers.wavlm_ecapa",
        "ttsbench.speed.limits",
        "ttsbench.speed.operations",
        "ttsbench.reports",  # pandas and matplotlib
        "ttsbench.testsets.check",  # numpy and soundfile
        "ttsbench.testsets.trees",
    }


def test_no_file_is_too_long() -> None:
    others = [path for place in ("tests", "benchmarks", "examples") for path in (ROOT / place).rglob("*.py")]
    lines = {path: len(path.read_text().splitlines()) for path in [*modules().values(), *others]}
    assert len(lines) > 300
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > LONGEST} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_import_only_what_they_may(folder: str) -> None:
    allowed = SHARED | MAY_ALSO[folder] | {folder}
    for path in (ROOT / folder).rglob("*.py"):
        if path.relative_to(ROOT).as_posix().startswith(TOOLS):
            continue
        names = {name for name in imported(path) if name.startswith("ttsbench.")}
        if folder == "metrics":
            names = {name for name in names if not f"{name}.".startswith(f"{FRONT_END}.")}
        parts = {name.split(".")[1] for name in names}
        assert parts <= allowed | {"__version__"}, f"{path.relative_to(ROOT)} imports {sorted(parts - allowed)}"
        bare = {name.split(".")[0] for name in imported(path)} & set(FOLDERS)
        assert not bare, f"{path.relative_to(ROOT)} imports {bare} without ttsbench."


@pytest.mark.parametrize(
    "command", [["-c", "import ttsbench"], ["-m", "ttsbench", "--help"], ["-m", "ttsbench", "run", "--help"]]
)
def test_the_import_and_the_help_are_light(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    modules = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert not modules & {"torch", "numpy", "pandas", "matplotlib", "soundfile", "torchaudio"}


def test_torchaudio_is_needed_by_models_of_extra_paper_alone() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules().values()
        if any(name.split(".")[0] in ("torchaudio", "speechbrain") for name in imported(path))
    }
    speakers = {"metrics/speakers/speechbrain_ecapa.py", "metrics/speakers/wespeaker.py"}
    assert users == speakers | {"metrics/recognisers/allosaurus.py"}
