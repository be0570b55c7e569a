"""RVCBench's lists: written from a run, read back as the same samples."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import exchange, testsets
from ttsbench.errors import UserError
from ttsbench.records import Sample, Synthesis
from ttsbench.store import Run


def run_of(tmp_path: Path, samples: list[Sample]) -> Run:
    run = Run.create(tmp_path / "sys@set", {"testset": {"name": "set"}, "system": {"name": "sys"}}, samples)
    soundfile.write(run.path / "a.wav", np.ones(1600) / 9, 16000)
    run.add_synthesis(Synthesis(samples[0].id, "a.wav", seconds=0.1))
    return run


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    soundfile.write(tmp_path / "p.wav", 0.1 * np.sin(np.arange(8000) / 9), 16000)
    prompt = {"prompt": tmp_path / "p.wav", "prompt_text": "Said."}
    return Sample("vctk__p1", "Say\nthis.", "fr", speaker="s", category="vctk", **prompt)


def test_what_is_written_is_read_back(sample: Sample, tmp_path: Path) -> None:
    files = exchange.format_named("rvcbench").write([run_of(tmp_path, [sample])], tmp_path / "out")
    folder = files[0].parent
    row = json.loads(files[0].read_text())
    assert row["reference_sha256"] == hashlib.sha256((tmp_path / "p.wav").read_bytes()).hexdigest()
    (back,) = testsets.load(f"rvcbench={folder}").samples
    kept = ("id", "text", "language", "prompt_text", "speaker", "category")
    assert [getattr(back, name) for name in kept] == [getattr(sample, name) for name in kept]
    assert (folder / "generated/vctk__p1.wav").is_file()
    for spec in (f"zipvoice={folder / 'prompts.tsv'},language=fr", f"seed-en={folder / 'prompts.lst'},language=fr"):
        (other,) = testsets.load(spec).samples
        assert (other.id, other.text, other.prompt_text) == ("vctk__p1", "Say this.", "Said.")


def test_a_text_that_breaks_a_list_is_told(sample: Sample, tmp_path: Path) -> None:
    broken = run_of(tmp_path, [replace(sample, text="this | that")])
    with pytest.raises(UserError, match=r"prompts\.lst: vctk__p1.*holds '\|'"):
        exchange.format_named("rvcbench").write([broken], tmp_path / "out")


def test_a_row_without_a_prompt_is_told(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no prompt that is here"):
        exchange.format_named("rvcbench").write([run_of(tmp_path, [replace(sample, prompt=None)])], tmp_path / "out")
