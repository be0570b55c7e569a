"""The one GPU benchmark, rehearsed with toy sizes: its checks of equality, its budget, its files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytest.importorskip("transformers", reason="what Llasa's loop is compared with")
FOLDER = Path(__file__).parents[2] / "benchmarks" / "gpu"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    import importlib.util

    for place in (FOLDER, FOLDER.parent):
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "path", list(sys.path))
    specification = importlib.util.spec_from_file_location("gpu_all", FOLDER / "all.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "gpu_all", module)
    specification.loader.exec_module(module)
    return module


def test_every_part_is_a_row_or_a_reason(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "probe", lambda device: {"copy_gb_per_s": 10.0})

    def broken(place: object, repeats: int) -> list[object]:
        raise RuntimeError("out of memory")

    monkeypatch.setitem(script.PARTS, "whisper", broken)
    place = script.Place(torch.device("cpu"), torch.float32, 0.1, True, False)
    found = script.run(place, 1.0, 1, ["steps", "whisper"], tmp_path)
    names = {row["name"]: row for row in found["targets"]}
    assert set(names) == {f"{name}, replayed step against plain" for name in ("Llasa-1B", "KALL-E")}
    assert all(row["met"] and row["reached"] < 1e-4 for row in names.values())
    assert found["faults"] == {"whisper": "RuntimeError: out of memory"}
    assert json.loads((tmp_path / "gpu.json").read_text()) == found
    table = (tmp_path / "gpu.md").read_text()
    assert "| KALL-E, replayed step against plain | at most 0.05 deviations |" in table
    assert "| whisper | | RuntimeError: out of memory | no |" in table
    late = script.run(place, -1.0, 1, ["steps"], tmp_path)
    assert late["faults"]["steps"].startswith("left out")


def test_targets_know_which_side_is_better(script: ModuleType) -> None:
    assert script.Target("rtf", "", 0.05, 0.04).met and not script.Target("rtf", "", 0.05, 0.06).met
    assert script.Target("times", "", 4.0, 4.1, "higher").met and not script.Target("times", "", 4.0, 3.9, "higher").met
