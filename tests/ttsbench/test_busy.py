"""A timing taken while other programs use the machine is kept, shown, marked, and neither ranked nor compared."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ttsbench import stats
from ttsbench.metrics.timing import first_chunk, rtf
from ttsbench.records import Card, Chunk, Item, Metric, Sample, Score, Synthesis
from ttsbench.reports.values import busy_text, value_text
from ttsbench.significance import paired, ranks
from ttsbench.speed import busy

RTF = Metric("rtf", "RTF", "", "lower", 0.0, None, "speed", "", shown="corpus")


class Machine:
    """Two cores on a fake clock; `at(now, used, own)` says what has been used by then in all and by the harness."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = SimpleNamespace(at=0.0, used=0.0, own=0.0)
        moment = lambda: busy._Moment(self.now.at, self.now.used, self.now.own, self.now.own)  # noqa: E731
        monkeypatch.setattr(busy, "_now", moment)
        monkeypatch.setattr(psutil, "cpu_count", lambda: 2)

    def at(self, at: float, used: float, own: float) -> None:
        self.now = SimpleNamespace(at=at, used=used, own=own)


def test_the_share_of_others_is_what_the_harness_did_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    watch = busy.Watch()
    machine.at(10, 5, 3)
    watch.begin()
    machine.at(14, 5 + 6, 3 + 4)  # 4 s of two cores: 6 s used, 4 of them ours
    use = watch.end()
    assert (use.cpu, use.others) == (4.0, 0.25)


def test_a_short_row_is_judged_with_what_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    watch = busy.Watch()
    for row in range(40):  # rows of 50 ms, of which the counters tell nothing before 10 ms have passed
        machine.at(row * 0.05, row * 0.075, row * 0.05)
        watch.begin()
        machine.at(row * 0.05 + 0.05, row * 0.075 + 0.075, row * 0.05 + 0.05)
        use = watch.end()
    assert use.others == pytest.approx(0.25) and use.cpu == pytest.approx(0.05)
    assert len(watch._past) < 60


def test_a_program_beside_is_seen_and_our_own_work_is_not() -> None:
    burn = "import time\nwhile True: pass"
    watch = busy.Watch()
    watch.begin()
    end = time.process_time() + 0.6
    while time.process_time() < end:
        pass
    alone = watch.end()
    assert alone.cpu >= 0.5
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {burn!r}], start_new_session=True)",
        ]
    )
    other.wait()  # what it started has no parent of ours any more
    orphan = next(p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[-1:] == [burn])
    try:
        watch.begin()
        time.sleep(2.0)
        assert watch.end().others > 0.5 / (psutil.cpu_count() or 1) * 0.5
    finally:
        orphan.kill()


def timed(others: float | None) -> Item:
    row = Synthesis("s", "a.wav", "d", 16000, 2.0, (Chunk(0.5, 32000),), total=1.0, audible=0.5, others=others)
    return Item(Sample("s", "text"), row, Card("x"), Path("a.wav"))


@pytest.mark.parametrize("others, marked", [(None, False), (0.0, False), (0.1, False), (0.11, True), (0.8, True)])
def test_rows_above_a_tenth_are_marked_and_keep_their_value(others: float | None, marked: bool) -> None:
    for measure, value in ((rtf(), 0.5), (first_chunk(), 0.5)):
        score = measure.score(timed(others), ())
        assert score.value == value and score.busy is marked and ("others" in score.detail) is marked


def scores(values: list[float], busy: set[int]) -> list[Score]:
    return [
        Score(f"s{i}", v, 1.0, busy=i in busy, detail={"others": 0.5} if i in busy else {})
        for i, v in enumerate(values)
    ]


def test_a_mean_is_that_of_the_quiet_rows() -> None:
    found = stats.cell(RTF, scores([0.1, 0.1, 0.9], {2}))
    assert found.value == pytest.approx(0.1) and (found.busy, found.scored, found.failed) == (1, 3, 0)
    assert busy_text(found) == "busy 1 of 3" and value_text(RTF, found) == "0.100"


def test_where_no_row_was_quiet_the_value_is_shown_in_brackets_and_ranks_nowhere() -> None:
    crowded, quiet = scores([0.1] * 8, set(range(8))), scores([0.2] * 8, set())
    found = stats.cell(RTF, crowded)
    assert found.value is None and found.busy_value == pytest.approx(0.1) and found.failed == 0
    assert value_text(RTF, found) == "(0.100)"
    assert ranks(RTF, [crowded, quiet]) == [None, (1, 1)] and paired(RTF, crowded, quiet).pairs == 0
