"""The run folder survives kills, torn lines, full disks and hostile ids."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsbench import store
from ttsbench.records import Chunk, Feature, Metric, Sample, Score, Synthesis

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
    with pytest.raises(OSError, match="full"):
        store.append(path, Synthesis("b"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "/etc/passwd", "a\\b", "a\nb", "a\x00", ".hidden", "c:x"])
def test_ids_that_could_leave_the_folder_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="id"):
        store.file_name(bad)


@given(st.text(min_size=1, max_size=400))
def test_every_accepted_id_stays_in_its_folder(text: str) -> None:
    try:
        name = store.file_name(text)
    except ValueError:
        return
    path = Path("/runs/audio") / name
    assert path.parent == Path("/runs/audio") and len(name.encode()) <= 220


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
