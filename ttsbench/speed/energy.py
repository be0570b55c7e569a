"""Energy from the counters that the hardware keeps: NVML on an NVIDIA GPU, RAPL on Linux for a CPU.

The counter is that of the whole package or card: whatever else runs on it is in the figure. Where there is no counter,
or it may not be read, there is a reason and no number.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
Counter = Callable[[], float]  # joules since some moment


def counter(device: str, powercap: Path = POWERCAP) -> Counter | str:
    """What reads the device's energy in joules, or why nothing does."""
    if device.startswith("cuda"):
        return _nvml(device)
    if device == "cpu":
        return _rapl(powercap)
    return f"no energy counter is known for {device}"


def _rapl(powercap: Path) -> Counter | str:
    """All packages together (intel-rapl:0, :1 ...; AMD reports under the same names)."""
    packages = sorted(path for path in powercap.glob("intel-rapl:*") if path.name.count(":") == 1)
    if not packages:
        return "this machine reports no RAPL counter (usual in virtual machines)"
    try:
        limits = [int((path / "max_energy_range_uj").read_text()) for path in packages]
        last = [int((path / "energy_uj").read_text()) for path in packages]
    except (OSError, ValueError) as fault:
        return f"the RAPL counter cannot be read ({fault}); it is readable by root, or after chmod o+r"
    total = 0

    def read() -> float:
        nonlocal total
        for index, path in enumerate(packages):
            now = int((path / "energy_uj").read_text())
            total += (now - last[index]) % (limits[index] + 1)  # the counter wraps around
            last[index] = now
        return total * 1e-6

    return read


def _nvml(device: str) -> Counter | str:
    try:
        import pynvml
    except ImportError:
        return "a GPU's energy needs NVML: python -m pip install nvidia-ml-py"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(device.partition(":")[2] or 0))
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as fault:
        return f"NVML does not report energy ({fault})"
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
