"""The installed command, end to end: bad audio, hostile texts, a kill in the middle, a page and a table at the end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

TTSBENCH = Path(sys.executable).with_name("ttsbench")
SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2].parent / "shared")) / "data"
REAL = SHARED / "librispeech-test-other"

TEXTS = {
    "plain": "the quick brown fox",
    "html": "<script>document.title='taken'</script><img src=x onerror=alert(1)>",
    "formula": '=HYPERLINK("http://evil.invalid","click")',
    "rtl": "שלום עולם and back \u202e again",
    "long": "word " * 1000,
    "gone": "this one has no output",
    "empty": "nothing in the file",
    "silent": "nothing to hear",
    "nan": "not numbers",
    "short": "hi",
    "stereo": "two channels at eight kilohertz",
}


def command(*words: object, timeout: float = 300.0, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(TTSBENCH), *map(str, words)], capture_output=True, text=True, timeout=timeout)
    assert done.returncode in ok, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of references with transcripts.tsv, and a folder of outputs in which nearly everything is wrong."""
    place = tmp_path_factory.mktemp("hostile")
    truth, made = place / "truth", place / "made"
    truth.mkdir()
    made.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 24000).clip(-1, 1)
    rows = ["utt\ttext"]
    for name, text in TEXTS.items():
        soundfile.write(truth / f"{name}.wav", noise, 16000)
        rows.append(f"{name}\t{text.strip()}")
    (truth / "transcripts.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name in ("plain", "html", "formula", "rtl", "long"):
        soundfile.write(made / f"{name}.wav", noise, 16000)
    (made / "empty.wav").write_bytes(b"")
    soundfile.write(made / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(made / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(made / "short.wav", noise[:160], 16000)
    soundfile.write(made / "stereo.wav", np.stack([noise[:12000]] * 2, 1), 8000)
    return truth, made


def test_every_bad_row_is_counted_and_the_run_ends_in_a_page(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    truth, made = hostile
    done = command("score", made, "--testset", f"folder={truth}", "--out", tmp_path, "--json", ok=(1,))
    cells = {(cell["system"], cell["metric"]): cell for cell in json.loads(done.stdout)}
    wer = cells["made", "wer"]
    assert wer["asked"] == len(TEXTS) and wer["scored"] <= len(TEXTS) - 4
    rows = {}
    (run,) = list(tmp_path.glob("made@*"))
    for line in (run / "scores/embedded/wer.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows[row["sample"]] = row
    for name in ("gone", "empty", "silent", "nan"):
        assert rows[name]["value"] == 1.0 and rows[name]["error"], rows[name]
    page = (tmp_path / "report.html").read_text()
    assert "<script>document.title" not in page and "onerror=alert(1)>" not in page
    table = (tmp_path / "results.csv").read_text()
    assert all(not line.startswith(("=", "+", "-", "@")) for line in table.splitlines())
    assert "rows have no usable output" in done.stderr
    assert "made on truth: scoring, " in done.stderr  # who reads a log sees what it is at
    assert not list(tmp_path.parent.glob("etc")) and "Traceback" not in done.stderr


def test_a_missing_test_set_names_what_there_is(tmp_path: Path) -> None:
    done = command("run", "--system", "silence", "--testset", "nowhere", "--out", tmp_path, ok=(1,))
    assert "nowhere" in done.stderr and "seed-mini" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_system_names_a_close_one(tmp_path: Path) -> None:
    done = command("run", "--system", "flight", "--testset", "seed-mini", "--out", tmp_path, ok=(1,))
    assert "flite" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings of ../shared/data are not here")
def test_a_killed_run_resumes_to_the_same_scores(tmp_path: Path) -> None:
    words = ["run", "--system", "ground-truth", "--testset", f"folder={REAL}", "--limit", 4, "--out"]
    command(*words, tmp_path / "whole")
    for wait in (1.5, 4.0):
        child = subprocess.Popen(
            [str(TTSBENCH), *map(str, words), str(tmp_path / "torn")],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(wait)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    command(*words, tmp_path / "torn")

    def scores(place: Path) -> dict[str, bytes]:
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.glob("*/scores/**/*.json*")}

    assert scores(tmp_path / "whole") == scores(tmp_path / "torn") != {}
    features = list((tmp_path / "torn").glob("*/features/*.jsonl"))
    assert features
    for path in features:
        own = [json.loads(line)["key"] for line in path.read_text().splitlines()]
        assert len(own) == len(set(own))  # nothing was computed twice


def test_listings_answer() -> None:
    for what in ("systems", "testsets", "metrics", "protocols"):
        assert len(json.loads(command("list", what, "--json").stdout)) > 0
    assert "Whisper base" in command("list", "protocols", "--explain", "embedded").stdout
