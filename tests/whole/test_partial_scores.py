"""The command computes what it can, and takes transcripts made elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.store import Run


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """One second of noise that shall say "one two", and a list that says so."""
    folder = tmp_path / "mine"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    (tmp_path / "list.tsv").write_text("id\ttext\na\tOne, two.\n")
    return folder


def score(recordings: Path, *words: str) -> subprocess.CompletedProcess[str]:
    here = recordings.parent
    command = [
        "score",
        str(recordings),
        "--testset",
        f"manifest={here / 'list.tsv'}",
        "--out",
        str(here / "runs"),
        *words,
    ]
    nowhere = {name: str(here / name) for name in ("TTSBENCH_WEIGHTS", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")}
    environment = os.environ | nowhere | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "ttsbench", *command], env=environment, capture_output=True, text=True, timeout=300
    )


def test_a_missing_model_is_named_first_and_the_rest_is_computed(recordings: Path) -> None:
    done = score(recordings, "--protocol", "livespeech", "--metrics", "cer,dnsmos")
    assert done.returncode == 1, done.stderr
    assert "will count as failed: livespeech/cer" in done.stderr and "ttsbench fetch wav2vec2-base-960h" in done.stderr
    run = Run.open(recordings.parent / "runs" / "mine@list")
    (good,), (bad,) = run.scores("livespeech", "dnsmos-p808"), run.scores("livespeech", "cer")
    assert good.value is not None and 1 < good.value < 5 and not good.error
    assert "ttsbench fetch wav2vec2-base-960h" in bad.error and not bad.na
    assert [card.name for card in run.metrics("livespeech")] == ["cer", "dnsmos-p808"]


def test_transcripts_made_elsewhere_need_no_model(recordings: Path) -> None:
    file = recordings.parent / "heard.tsv"
    file.write_text("a\tone too\n")
    done = score(recordings, "--protocol", "seed-tts-eval", "--transcripts", str(file))
    assert done.returncode == 0, done.stderr
    run = Run.open(recordings.parent / "runs" / "mine@list")
    assert run.protocols() == ["seed-tts-eval-given-transcripts"]
    (row,) = run.scores("seed-tts-eval-given-transcripts", "wer")
    assert row.value == 0.5 and row.detail["hypothesis"] == "one too"
