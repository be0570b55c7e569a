"""Workers that die, hang or throw cost their task, never the run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ttsbench.execute.local import Failed, Local, WorkerError, run_tasks


def doubling(folder: str = "") -> Callable[[object], object]:
    def handle(task: object) -> object:
        if task == "throw":
            raise ValueError("no such thing")
        if task == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        if task == "hang":
            child = subprocess.Popen(["sleep", "60"])
            Path(folder, "child").write_text(str(child.pid))
            time.sleep(60)
        print("noise on standard output")
        return (task, task)

    return handle


def refusing() -> Callable[[object], object]:
    raise RuntimeError("no weights here")


def test_every_task_is_answered_once() -> None:
    results = dict(run_tasks(list(range(7)), doubling, jobs=2))
    assert results == {index: (index, index) for index in range(7)}


def test_a_death_a_hang_and_an_exception_cost_one_task_each(tmp_path: Path) -> None:
    tasks = ["a", "die", "b", "hang", "throw", "c"]
    results = dict(run_tasks(tasks, doubling, (str(tmp_path),), jobs=1, timeout=1.5, log=tmp_path / "log.txt"))
    assert [results[index] for index in (0, 2, 5)] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert results[1] == Failed("the process died (SIGSEGV)")
    assert results[3] == Failed("no result after 2 s, stopped")
    assert results[4] == Failed("ValueError: no such thing")
    assert "noise" in (tmp_path / "log.txt").read_text()
    child = int((tmp_path / "child").read_text())
    time.sleep(0.2)
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"  # what the worker started went with it


def test_a_worker_that_cannot_be_set_up_says_why() -> None:
    with pytest.raises(WorkerError, match="no weights here"):
        list(run_tasks([1, 2], refusing))


def test_no_tasks_start_no_process() -> None:
    assert list(run_tasks([], refusing)) == []


def placed(word: str, device: str) -> Callable[[object], object]:
    def handle(task: object) -> object:
        if task == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(0.2)
        return word, device, os.getpid()

    return handle


@pytest.mark.parametrize(("jobs", "workers"), [(1, 2), (4, 4)])
def test_workers_are_spread_over_the_devices(tmp_path: Path, jobs: int, workers: int) -> None:
    tasks = ["a"] * 12
    found = Local().run(
        tasks, placed, ("say",), jobs=jobs, timeout=20, device="cuda:0,cuda:1", folder=tmp_path  # type: ignore[arg-type]
    )  # fmt: skip
    answers = [outcome for _, outcome in found]
    assert {(word, device) for word, device, _ in answers} == {("say", "cuda:0"), ("say", "cuda:1")}
    assert len({process for *_, process in answers}) == workers
    assert len({(device, process) for _, device, process in answers}) == workers  # a worker stays on its device


def test_the_worker_that_replaces_a_dead_one_has_its_device(tmp_path: Path) -> None:
    run = Local().run(["die", "b"], placed, ("x",), jobs=1, timeout=20, device="mps", folder=tmp_path)  # type: ignore[list-item]
    assert dict(run)[1][:2] == ("x", "mps")
