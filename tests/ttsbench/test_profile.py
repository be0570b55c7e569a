"""`ttsbench profile` on a system whose work, chunks and stalls are known beforehand."""

import json
import textwrap
from pathlib import Path

import pytest

from ttsbench import cli
from ttsbench.records import Chunk, Synthesis
from ttsbench.speed.latency import Lost, Point, Reading, quantiles, summary, throughputs
from ttsbench.speed.limits import Work, probe, shares

SYSTEM = """
import time
import numpy as np
import torch
from ttsbench.records import Card

class Voice:
    card = Card("voice", sample_rate=16000, streaming=True, frame_rate=50.0)

    def __init__(self):
        self.weight = torch.ones(300, 200)
        self.chunk_frames = 5

    def synthesize(self, sample, seed):
        if "driver" in sample.text:
            raise ValueError("no drivers here")
        for _ in range(len(sample.text.split())):   # a tenth of a second and one product a word
            torch.nn.functional.linear(torch.ones(7, 200), self.weight)
            for _ in range(5 // self.chunk_frames):
                time.sleep(0.001)
                yield np.full(320 * self.chunk_frames, 0.1, dtype=np.float32)

    def readings(self, sample, seed, count):
        time.sleep(0.01)
        return [np.full(1600, 0.1, dtype=np.float32)] * count

class Plain:
    card = Card("plain")

    def synthesize(self, sample, seed):
        yield np.full(1600, 0.1, dtype=np.float32)
"""


def profiled(folder: Path, *words: str) -> tuple[int, dict]:
    (folder / "voice.py").write_text(textwrap.dedent(SYSTEM))
    status = cli.main(["profile", *words, "--repeat", "3", "--out", str(folder / "out")])
    return status, json.loads((folder / "out" / "profile.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("profile")
    source = f"python:{folder}/voice.py"
    settings = "--words 5 10 15 --prompt-seconds 1 2 --concurrency 1 2 --batch 3 --chunk-frames 1".split()
    status, data = profiled(folder, f"{source}:Voice", f"{source}:Plain", *settings)
    assert status == 0
    return folder / "out", data


def test_every_setting_is_swept_alone_and_only_where_the_system_has_it(found: tuple[Path, dict]) -> None:
    voice, plain = found[1]["systems"]
    settings = ("words", "prompt_seconds", "concurrency", "batch", "chunk_frames")
    base = {(10, 1, 1, 1, None), (5, 1, 1, 1, None), (15, 1, 1, 1, None), (10, 2, 1, 1, None), (10, 1, 2, 1, None)}
    assert {tuple(row[key] for key in settings) for row in plain["rows"]} == base
    more = {(10, 1, 1, 3, None), (10, 1, 1, 1, 1)}
    assert {tuple(row[key] for key in settings) for row in voice["rows"]} == base | more
    assert all(row["n"] == 3 for row in voice["rows"] + plain["rows"])


def test_rtf_is_of_single_utterances_and_throughput_of_all(found: tuple[Path, dict]) -> None:
    for row in found[1]["systems"][0]["rows"]:
        alone = row["concurrency"] == 1 and row["batch"] == 1
        assert (row["rtf"] is not None) is alone and (row["rtf_each"] is not None) is alone
        assert row["throughput"] > 0 and set(row["throughput_each"]) == {"p50", "p90", "p95", "p99"}
        assert row["frames_per_second"] == pytest.approx(50 * row["throughput"], rel=1e-3)
        assert row["audio_seconds"] == pytest.approx(0.3 if row["batch"] == 3 else row["words"] / 10)
        for value, low, high in row["total"].values():
            assert 0 < low <= value <= high
        assert 0 <= row["stalls"] <= row["n"] and 2**24 < row["host_bytes"] < 2**30 and row["device_bytes"] is None
    rows = {row["chunk_frames"]: row for row in found[1]["systems"][0]["rows"] if row["words"] == 10}
    assert rows[1]["gap"] is not None and len(found[1]["systems"][0]["timeline"]) == 15


def test_work_is_that_of_the_utterance(found: tuple[Path, dict]) -> None:
    voice, plain = found[1]["systems"]
    for row in voice["rows"]:
        if row["concurrency"] > 1 or row["batch"] > 1:
            assert row["work"] is None
            continue
        assert row["work"]["gflop_per_audio_second"] == pytest.approx(10 * 2 * 7 * 200 * 300 / 1e9, abs=5e-4)
        assert row["work"]["gb_per_audio_second"] == pytest.approx(40 * (7 * 200 + 200 * 300 + 7 * 300) / 1e9, abs=5e-4)
        assert 0 < row["work"]["arithmetic"] < 1 and 0 < row["work"]["bandwidth"] < 1
    assert all(row["work"] is None and row["frames_per_second"] is None for row in plain["rows"])
    assert found[1]["probe"]["read_gb_per_s"] > 0 and found[1]["machine"]["cores"] > 0


def test_a_failure_is_a_sentence_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = "--words 5 40 --concurrency 1 --prompt-seconds 1 --batch --chunk-frames".split()
    status, data = profiled(tmp_path, f"python:{tmp_path}/voice.py:Voice", *settings)
    (voice,) = data["systems"]
    assert status == 1 and [row["words"] for row in voice["rows"]] == [5]
    assert len(voice["errors"]) == 3 and "no drivers here" in voice["errors"][0]
    said = capsys.readouterr().out
    assert "3 repetitions failed" in said and "Limits, by a short probe" in said and "of bandwidth" in said


def test_numbers_by_hand() -> None:
    chunks = (Chunk(0.1, 1600), Chunk(0.15, 1600), Chunk(0.5, 1600))  # plays to 0.3, stands still to 0.5
    row = Synthesis("a", sample_rate=16000, seconds=0.3, chunks=chunks, total=0.5)
    pair = [Reading(Point(1, 1.0, 2), row, 0.0, 0, None, began, began + 1.0) for began in (0.0, 0.5)]
    assert throughputs(pair) == pytest.approx([0.45, 0.45])  # each its own 0.3 s and half of the other's
    cell = quantiles([1.0, 2.0, 3.0])
    assert cell is not None and cell["p50"][0] == 2.0
    work = Work({"float32": 2_000_000_000, "bfloat16": 8_000_000_000}, 5_000_000_000, seconds=2.0)
    limits = {"float32_gflop_per_s": 10.0, "bfloat16_gflop_per_s": 40.0, "read_gb_per_s": 20.0}
    assert shares(work, 0.5, limits) == {
        "gflop_per_audio_second": 5.0, "gb_per_audio_second": 2.5, "gflop_per_s": 10.0, "gb_per_s": 5.0,
        "arithmetic": 0.4, "bandwidth": 0.25,
    }  # fmt: skip


def test_what_a_listener_notices_by_hand() -> None:
    """Shares of requests within 50, 100, 200 ms, silence at the head, and whether the chunks come early."""
    chunks = (Chunk(0.03, 1600), Chunk(0.2, 1600), Chunk(0.5, 1600))  # plays from 0.03 to 0.13, waits 0.07, then 0.2
    quick = Synthesis("a", sample_rate=16000, seconds=0.3, chunks=chunks, total=0.5, audible=0.09)
    slow = Synthesis("a", sample_rate=16000, seconds=0.3, chunks=(Chunk(0.49, 4800),), total=0.5, audible=0.5)
    silent = Synthesis("a", sample_rate=16000, seconds=0.3, chunks=(Chunk(0.1, 4800),), total=0.5)
    readings = [Reading(Point(1, 1.0, 4), row, 0.0, 0, None, 0.0, 1.0) for row in (quick, slow, silent)]
    (row,) = summary(readings, None, {})
    assert row["audible_under"] == pytest.approx({"50": 0.0, "100": 1 / 3, "200": 1 / 3}, abs=1e-3)
    assert row["stalled_under"] == pytest.approx({"50": 2 / 3, "100": 2 / 3, "200": 2 / 3}, abs=1e-3)
    assert row["leading_silence"]["p50"][0] == pytest.approx(0.035)
    assert row["streams"] is True
    (row,) = summary(readings, None, {}, [Lost(Point(1, 1.0, 4), "no answer")])  # a failed request was not heard
    assert row["audible_under"]["200"] == 0.25 and row["stalled_under"]["200"] == 0.5 and row["failed"] == 1
    late = [Reading(Point(1, 1.0), slow, 0.0, 0, None, 0.0, 1.0)]
    assert summary(late, None, {})[0]["streams"] is False


def test_the_probe_knows_what_it_measured() -> None:
    found = probe("cpu")
    assert set(found) == {
        "threads", "read_gb_per_s", "copy_gb_per_s", "float32_gflop_per_s", "bfloat16_gflop_per_s"
    }  # fmt: skip
    assert all(value > 0 for value in found.values())


def test_title_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "voice.py").write_text(textwrap.dedent(SYSTEM))
    monkeypatch.setattr("ttsbench.speed.latency.profile", lambda *_, **__: [])
    monkeypatch.setattr("ttsbench.speed.limits.probe", lambda _: {})
    spec = f"python:{tmp_path}/voice.py"
    words = ["profile", f"{spec}:Voice", f"{spec}:Plain", "--out", str(tmp_path / "out")]
    labels = ["--label", "voice=Voice <2>", "--label", f"{spec}:Plain=Plain one"]
    assert cli.main([*words, *labels, "--title", "Box & co."]) == 0
    page = (tmp_path / "out" / "profile.html").read_text()
    assert "<h1><bdi>Box &amp; co.</bdi></h1>" in page and "<title>Box &amp; co. " in page
    data = json.loads((tmp_path / "out" / "profile.json").read_text())
    assert [each["name"] for each in data["systems"]] == ["Voice <2>", "Plain one"]
    cli.main([*words, *labels])
    page = (tmp_path / "out" / "profile.html").read_text()
    assert "<h1><bdi>Voice &lt;2&gt;</bdi>, <bdi>Plain one</bdi></h1>" in page
    capsys.readouterr()
    assert cli.main([*words, "--label", "vioce=x"]) == 1
    assert "no system to label 'vioce'; did you mean 'voice'?" in capsys.readouterr().err
