"""`ttsbench run` as it is installed: a run that succeeds, one that is killed while it speaks, one in pieces."""

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
NAMES = [f"u{number}" for number in range(6)]

VOICE = """
import pathlib, time
import numpy as np
from ttsbench.records import Card

class Voice:
    card = Card("noise", version="1")

    def synthesize(self, sample, seed):
        with open(pathlib.Path(__file__).with_name("spoken"), "a") as log:
            log.write(sample.id + chr(10))
        time.sleep(PAUSE)
        yield np.random.default_rng(seed).normal(0, 0.1, 16000).clip(-1, 1).astype(np.float32)
"""


def command(place: Path, *words: object, ok: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(line(*words), capture_output=True, text=True, timeout=300, cwd=place)
    assert done.returncode == ok and "Traceback" not in done.stderr, done.stderr[-2000:]
    return done


def line(*words: object) -> list[str]:
    return [str(TTSBENCH), *map(str, words)]


def voice(place: Path, pause: float = 0.0, note: str = "") -> None:
    (place / "voice.py").write_text(VOICE.replace("PAUSE", str(pause)) + note)


def rows(place: Path, run: str = "noise@truth", name: str = "synth.jsonl") -> list[dict]:
    path = place / "runs" / run / name
    return [json.loads(each) for each in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six references and a system."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "truth").mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).clip(-1, 1)
    for name in NAMES:
        soundfile.write(folder / "truth" / f"{name}.wav", noise, 16000)
    texts = [f"{name}\thello there" for name in NAMES]
    (folder / "truth" / "transcripts.tsv").write_text("\n".join(["utt\ttext", *texts]) + "\n")
    voice(folder)
    return folder


RUN = ("run", "--system", "python:voice.py:Voice", "--testset", "folder=truth", "--metrics", "rtf", "--shared-machine")


def test_a_run_succeeds_is_kept_is_refused_when_its_code_changes_and_starts_over(place: Path) -> None:
    done = command(place, *RUN, "--json")
    cells = {(cell["system"], cell["metric"]): cell for cell in json.loads(done.stdout)}
    assert cells["noise", "rtf"]["scored"] == 6 and cells["noise", "rtf"]["value"] > 0
    assert (place / "runs" / "report.html").exists() and "rows kept" not in done.stderr
    first = {row["sample"]: row["digest"] for row in rows(place)}
    spoken = len((place / "spoken").read_text().split())
    assert set(first) == set(NAMES) and spoken == 7  # the first one twice, to warm up
    again = command(place, *RUN)
    assert "6 of 6 rows kept, made 20" in again.stderr and len((place / "spoken").read_text().split()) == spoken
    voice(place, note="# edited\n")
    refused = command(place, *RUN, ok=1)
    assert "holds another run: code " in refused.stderr and "--again" in refused.stderr
    command(place, *RUN, "--again", "--seed", 1)
    second = {row["sample"]: row["digest"] for row in rows(place)}
    assert set(second) == set(NAMES) and not set(second.values()) & set(first.values())


def test_a_class_that_cannot_be_loaded_is_named_with_its_own_traceback(place: Path) -> None:
    (place / "broken.py").write_text("class Broken:\n    def __init__(self):\n        raise OSError('no weights')\n")
    words = [word.replace("voice.py:Voice", "broken.py:Broken") for word in RUN]
    said = subprocess.run(line(*words), capture_output=True, text=True, timeout=300, cwd=place).stderr
    assert "system python:broken.py:Broken cannot be loaded: OSError: no weights" in said
    assert 'broken.py", line 3, in __init__' in said
    words = [word.replace("voice.py:Voice", "broken.py:Other") for word in RUN]
    said = command(place, *words, ok=1).stderr
    assert "cannot be loaded: broken.py: has no class 'Other'" in said and "Traceback" not in said


def test_a_run_killed_while_it_speaks_goes_on_where_it_was(place: Path) -> None:
    voice(place, pause=0.5, note="# slow\n")
    words = (*RUN, "--name", "slow")
    child = subprocess.Popen(line(*words), cwd=place, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(rows(place, "slow@truth")) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    kept = rows(place, "slow@truth")
    assert 2 <= len(kept) < 6  # it was under way
    time.sleep(1.0)  # its worker died with it
    assert rows(place, "slow@truth") == kept
    (place / "spoken").write_text("")
    done = command(place, *words)
    assert f"{len(kept)} of 6 rows kept" in done.stderr
    spoken = set((place / "spoken").read_text().split())
    assert spoken == set(NAMES) - {row["sample"] for row in kept}
    after = rows(place, "slow@truth")
    assert after[: len(kept)] == kept and sorted(row["sample"] for row in after) == NAMES
    assert [row["sample"] for row in rows(place, "slow@truth", "scores/embedded/rtf.jsonl")] == NAMES


def test_pieces_merged_are_the_run(place: Path) -> None:
    voice(place)
    command(place, *RUN, "--out", "runs/all")
    for number in (1, 2):
        command(place, *RUN, "--out", "runs/pieces", "--shard", f"{number}/2")
    pieces = sorted((place / "runs" / "pieces").glob("noise@truth*"))
    assert len(pieces) == 2
    command(place, "merge", *pieces, "--into", "runs/merged")
    whole, merged = (
        {row["sample"]: row["digest"] for row in rows(place, name)} for name in ("all/noise@truth", "merged")
    )
    assert merged == whole and list(whole) == NAMES
    scores = "scores/embedded/rtf.jsonl"
    assert [row["sample"] for row in rows(place, "merged", scores)] == NAMES
    command(place, "merge", *pieces, "--into", "runs/merged", ok=1)
    command(place, "merge", pieces[0], "--into", "runs/half", ok=1)
    assert not (place / "runs" / "half").exists()
