"""Whole systems spread over several devices: who gets which, side by side, and what an error or an interrupt does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ttsbench import benchmark, campaign, identity
from ttsbench.benchmark import Plan
from ttsbench.execute.lanes import Stopped, in_lanes, lanes_of
from ttsbench.progress import Progress
from ttsbench.systems import preflight

VOICES = """
import numpy as np
from ttsbench.records import Card

class One:
    card = Card("one", version="1")

    def synthesize(self, sample, seed):
        yield np.full(1600, 0.1, dtype=np.float32) * np.sin(np.arange(1600) / 8).astype(np.float32)

class Two(One):
    card = Card("two", version="1")

class Three(One):
    card = Card("three", version="1")
"""


def test_each_system_has_a_device_and_devices_left_over_serve_rows() -> None:
    assert lanes_of([True, True, True], "cuda:0,cuda:1") == {"cuda:0": [0, 2], "cuda:1": [1]}
    assert lanes_of([True, True], "cuda:0,cuda:1,cuda:2") == {"cuda:0,cuda:2": [0], "cuda:1": [1]}
    assert lanes_of([False, True], "cuda:0,cuda:1") == {"cuda:0,cuda:1": [0, 1]}  # recordings need no device
    assert lanes_of([True, True], "cpu") == {"cpu": [0, 1]} and lanes_of([], "cpu") == {"cpu": []}


def test_lanes_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)
    done = []

    def do(number: int, device: str, stop: threading.Event) -> None:
        both.wait()  # breaks unless two runs are under way at once
        done.append((number, device))

    in_lanes({"cuda:0": [0, 2], "cuda:1": [1, 3]}, do)
    assert sorted(done) == [(0, "cuda:0"), (1, "cuda:1"), (2, "cuda:0"), (3, "cuda:1")]


def test_a_fault_of_one_lane_ends_the_others_between_two_rows() -> None:
    rows = []

    def do(number: int, device: str, stop: threading.Event) -> None:
        if number == 1:
            raise ZeroDivisionError("a fault of our own")
        note = Progress(bars=False, stop=stop).named("x")
        assert stop.wait(20)
        rows.append("finished")
        note(1, 3, "speaking")
        rows.append("went on")

    with pytest.raises(ZeroDivisionError, match="a fault of our own"):
        in_lanes({"a": [0, 2], "b": [1]}, do)
    assert rows == ["finished"]
    assert issubclass(Stopped, BaseException) and not issubclass(Stopped, Exception)  # nobody takes it for a failed row


class Here:
    """An executor without processes that notes the device."""

    timed, where = True, ""
    seen: list[tuple[str, str]]

    def run(self, tasks: Any, setup: Any, args: Any, **rest: Any) -> Iterator[tuple[int, Any]]:
        if args and "device" in rest:  # speaking; scoring has no arguments
            self.seen.append((str(args[0]), rest["device"]))
        handle = setup(*args, *(["cpu"] if "device" in rest else []))
        return ((index, handle(task)) for index, task in enumerate(tasks))


def test_systems_of_a_campaign_are_spread_and_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "voices.py").write_text(VOICES)
    (tmp_path / "set.tsv").write_text("id\ttext\na\tOne.\nb\tTwo.\n")
    here = Here()
    here.seen = []
    monkeypatch.setattr(benchmark, "executor", lambda plan: here)
    monkeypatch.setattr(identity, "run_tasks", lambda tasks, setup, args, log: Here.run(here, tasks, setup, args))
    monkeypatch.setattr(preflight, "_device", lambda name: None)
    specs = [f"python:voices.py:{name}" for name in ("One", "Two", "Three")]
    plan = Plan(
        ("embedded",), metrics=("length-ratio",), device="cuda:0,cuda:1", out=tmp_path / "runs", shared_machine=True
    )
    done = campaign.bench(plan, specs, ["manifest=set.tsv"], {})
    assert not done.problems, capsys.readouterr().err
    assert [path.name for path in done.runs] == ["one@set", "two@set", "three@set"]
    assert sorted(here.seen) == sorted(zip(specs, ("cuda:0", "cuda:1", "cuda:0"), strict=True))
    told = capsys.readouterr().err
    assert "2 of 3 done" in told and (tmp_path / "runs" / "report.html").is_file()
