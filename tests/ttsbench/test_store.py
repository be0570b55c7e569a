"""The run folder survives kills, torn lines, full disks and hostile ids."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsbench import files, store
from ttsbench.names import composed, folded, id_problem
from ttsbench.records import Chunk, Feature, Metric, Sample, Score, Synthesis
from ttsbench.testsets.check import finish
from ttsbench.testsets.faults import Draft, TestSetError

CARD = Metric("wer", "WER", "%", "lower", 0.0, None, "intelligibility", "word error rate")


def test_a_record_comes_back_as_it_went(tmp_path: Path) -> None:
    path = tmp_path / "synth.jsonl"
    row = Synthesis("a", "audio/a.flac", "ab", 16000, 1.5, (Chunk(0.1, 800), Chunk(0.2, 23200)), 0.4, 0.11, 7)
    store.append(path, row)
    assert list(store.read_lines(path, Synthesis)) == [row]


@given(cut=st.integers(min_value=1, max_value=200))
def test_a_torn_last_line_costs_that_row_only(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "rows.jsonl"
    for name in "abc":
        store.append(path, Synthesis(name, error="x" * 20))
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    kept = max(last, len(whole) - cut)
    path.write_bytes(whole[:kept])
    assert [row.sample for row in store.read_lines(path, Synthesis)] == ["a", "b"]
    store.append(path, Synthesis("d"))
    assert [row.sample for row in store.read_lines(path, Synthesis)] == ["a", "b", "d"]


def test_a_broken_line_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"sample":"a"}\n{"sample":3}\n{"sample":"c"}\n')
    with pytest.raises(store.StoreError, match=r"rows\.jsonl, line 2"):
        list(store.read_lines(path, Synthesis))


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    store.append(path, Synthesis("a"))
    before = path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    with pytest.raises(files.DiskFull, match=r"rows\.jsonl: the disk is full"):
        store.append(path, Synthesis("b"))
    assert path.read_bytes() == before


def test_a_file_that_finds_no_room_is_not_replaced(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from ttsbench import files, store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: store.write_atomically(Path(sys.argv[1]), b'x' * 5000)\n"
        "except files.DiskFull as fault: print(fault)"
    )
    path = tmp_path / "run.json"
    path.write_bytes(b"before")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert f"{path}: the disk is full" in done.stdout, done.stderr
    assert path.read_bytes() == b"before" and [each.name for each in tmp_path.iterdir()] == ["run.json"]


BAD = ["", "../x", "a/b", "/etc/passwd", "a\\b", "a\nb", "a\x00", ".hidden", "c:x", "12:30", " a", "e\u0301", "x" * 151]
NAMES = st.text(st.characters(codec="utf-8"), max_size=160) | st.sampled_from(BAD)


@pytest.mark.parametrize("bad", BAD)
def test_an_id_that_cannot_name_a_file_is_refused(bad: str) -> None:
    with pytest.raises(store.StoreError, match="cannot name a file"):
        store.file_name(bad)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_what_a_loader_accepts_the_store_can_name_and_no_two_ids_share_a_name(names: list[str]) -> None:
    draft = Draft()
    for line, name in enumerate(names, 1):
        draft.add(Path("list.tsv"), line, Sample(name, "hello"))
    try:
        accepted = [sample.id for sample in finish(draft, "t", "CC0", "here").samples]
    except TestSetError as refused:
        same = [folded(name) for name in names]
        bad = {n for n, name in enumerate(names, 1) if id_problem(composed(name)) or same[n - 1] in same[: n - 1]}
        assert {fault.line for fault in refused.faults} == bad != set()
        return
    files = [store.file_name(name) for name in accepted]
    assert len(set(files)) == len(names)
    for file in files:
        assert (Path("/r/audio") / f"{file}.flac").parent == Path("/r/audio") and len(f"{file}.flac".encode()) < 200


# --- one writer ---------------------------------------------------------------------------------------------------

WRITER = """
import sys, time
from pathlib import Path
from ttsbench import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
APPENDER = """
import sys
from pathlib import Path
from ttsbench import store
from ttsbench.names import composed, folded, id_problem
from ttsbench.records import Synthesis
for number in range(150):
    store.append(Path(sys.argv[1]), Synthesis(f"{sys.argv[2]}-{number}", error="x" * 50))
"""


def test_a_second_writer_is_told_who_holds_the_folder_and_a_kill_frees_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with pytest.raises(store.StoreError, match=rf"process {child.pid} on .+, since 20\d\d-"), files.locked(folder):
        pass
    child.kill()
    child.wait()
    with files.locked(folder), pytest.raises(store.StoreError, match=f"process {os.getpid()} "), files.locked(folder):
        pass
    with files.locked(folder):
        pass


def test_two_processes_that_append_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    children = [subprocess.Popen([sys.executable, "-c", APPENDER, str(path), name]) for name in "ab"]
    assert [child.wait() for child in children] == [0, 0]
    rows = [row.sample for row in store.read_lines(path, Synthesis)]
    assert sorted(rows) == sorted(f"{name}-{number}" for name in "ab" for number in range(150))


def test_a_folder_is_emptied_but_for_its_lock(tmp_path: Path) -> None:
    with files.locked(tmp_path / "run"):
        (tmp_path / "run" / "audio").mkdir()
        (tmp_path / "run" / "audio" / "a.flac").write_bytes(b"x")
        (tmp_path / "run" / "run.json").write_bytes(b"{}")
        files.empty(tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == [files.LOCK]


def test_a_run_is_read_from_its_files(tmp_path: Path) -> None:
    sample = Sample("a", "Hello.", truth=tmp_path / "a.wav", speaker="s")
    store.Run.create(tmp_path / "run", {"seed": 3}, [sample])
    run = store.Run.open(tmp_path / "run")
    assert run.samples == [sample] and run.info["seed"] == 3
    run.add_synthesis(Synthesis("a", error="once"))
    run.add_synthesis(Synthesis("a", "audio/a.flac"))
    assert run.syntheses["a"].error == ""
    scores = [Score("a", 0.25, 4.0, detail={"hypothesis": "helo"})]
    run.write_scores({"name": "embedded", "version": 1}, {"wer": scores}, [CARD])
    assert run.protocols() == ["embedded"] and run.metrics("embedded") == [CARD]
    assert run.scores("embedded", "wer") == scores


def test_a_table_never_shows_fewer_rows_than_asked(tmp_path: Path) -> None:
    run = store.Run.create(tmp_path / "run", {}, [Sample("a", "Hello."), Sample("b", "There.")])
    run.write_scores({"name": "embedded", "version": 1}, {"wer": [Score("a", 0.5), Score("b", 0.25)]}, [CARD])
    path = run.path / "scores" / "embedded" / "wer.jsonl"
    whole = path.read_bytes()
    for broken in (whole.splitlines(keepends=True)[0], b'{"sample":3}\n' + whole, whole[:-3]):
        path.write_bytes(broken)
        with pytest.raises(store.StoreError, match=r"wer\.jsonl.*score again: ttsbench score .*--protocol embedded"):
            run.scores("embedded", "wer")


def test_files_are_read_once_until_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.Run.create(tmp_path / "run", {}, [Sample("a", "Hello.")])
    run.add_synthesis(Synthesis("a", error="once"))
    reads: list[Path] = []
    real = store.read_lines
    monkeypatch.setattr(store, "read_lines", lambda path, *rest: reads.append(path) or real(path, *rest))
    for _ in range(3):
        assert len(run.samples) == len(run.syntheses) == 1
    assert len(reads) == 2
    run.add_synthesis(Synthesis("b"))
    assert set(run.syntheses) == {"a", "b"} and len(reads) == 3


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match="not a run folder"):
        store.Run.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(store.StoreError, match="format 99"):
        store.Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(store.StoreError, match="line 1"):
        store.Run.open(tmp_path)


def test_features_are_kept_and_failures_tried_again(tmp_path: Path) -> None:
    first = store.FeatureStore(tmp_path)
    first.put("asr", "k1", Feature({"text": "hi"}), {"file": "a"})
    first.put("asr", "k2", Feature(error="broken"), {})
    assert first.get("asr", "k2") == Feature(error="broken")
    second = store.FeatureStore(tmp_path)
    assert second.get("asr", "k1") == Feature({"text": "hi"}) and second.get("asr", "k2") is None


def test_the_key_changes_with_everything_that_changes_the_number() -> None:
    base = store.feature_key({"model": "m"}, "d", 0.0, "", 0.0)
    others = [
        store.feature_key({"model": "n"}, "d", 0.0, "", 0.0),
        store.feature_key({"model": "m"}, "e", 0.0, "", 0.0),
        store.feature_key({"model": "m"}, "d", 3.0, "", 0.0),
        store.feature_key({"model": "m"}, "d", 0.0, "r", 0.0),
        store.feature_key({"model": "m"}, "d", 0.0, "", 1.0),
    ]
    assert len({base, *others}) == 6


def test_no_line_holds_nan(tmp_path: Path) -> None:
    store.write_lines(tmp_path / "rows.jsonl", [Score("a", float("nan"))])
    assert json.loads((tmp_path / "rows.jsonl").read_text())["value"] is None
