"""Energy counters: joules over wrap-arounds and packages, and a reason where there is none."""

from __future__ import annotations

from pathlib import Path

from ttsbench.speed import energy


def package(folder: Path, name: str, microjoules: int, limit: int = 999_999) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    return path


def test_packages_are_added_parts_are_not_and_the_counter_wraps(tmp_path: Path) -> None:
    one, two = package(tmp_path, "intel-rapl:0", 900_000), package(tmp_path, "intel-rapl:1", 0)
    package(tmp_path, "intel-rapl:0:0", 5)  # a part of package 0
    read = energy.counter("cpu", tmp_path)
    assert not isinstance(read, str)
    assert read() == 0.0
    (one / "energy_uj").write_text("100000")
    (two / "energy_uj").write_text("300000")
    assert abs(read() - 0.5) < 1e-9
    (two / "energy_uj").write_text("400000")
    assert abs(read() - 0.6) < 1e-9


def test_without_a_counter_there_is_a_reason(tmp_path: Path) -> None:
    assert "no RAPL counter" in str(energy.counter("cpu", tmp_path))
    path = package(tmp_path, "intel-rapl:0", 0)
    (path / "energy_uj").unlink()
    assert "cannot be read" in str(energy.counter("cpu", tmp_path))
    assert "mps" in str(energy.counter("mps"))
    assert isinstance(energy.counter("cuda:7"), str) or callable(energy.counter("cuda:7"))
