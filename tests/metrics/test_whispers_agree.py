"""Whisper base by faster-whisper, openai-whisper and transformers: the same tensors, the same words.

    TTSBENCH_CLIPS=50 python -m pytest -s tests/metrics/test_whispers_agree.py

hears 50 clips of ../shared/data instead of two of an embedded set, and lists the differences.
"""

import itertools
import os
from pathlib import Path

import pytest

from ttsbench import testsets
from ttsbench.metrics import extractor, weights
from ttsbench.records import Request

from . import whisper_tensors

pytest.importorskip("faster_whisper", reason="needs extra 'judges'")
SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
CLIPS = int(os.environ.get("TTSBENCH_CLIPS", "0"))
HEADS = 8
WAYS = {
    "recognisers.faster_whisper": {"model": "faster-whisper-base", "compute": "float32"},
    "recognisers.whisper_openai": {"model": "openai-whisper-base"},
    "recognisers.whisper_hf": {"model": "whisper-large-v3"},  # the folder of that name holds base here
}


def clips() -> list[Path]:
    if CLIPS:
        return sorted((SHARED / "data" / "librispeech-test-other").rglob("*.flac"))[:CLIPS]
    return [sample.truth for sample in testsets.load("seed-mini").samples[:2] if sample.truth]


def test_three_packages_hear_the_same_words(tmp_path, monkeypatch):
    place = weights.find("faster-whisper-base")
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "faster-whisper-base").symlink_to(place)
    tensors = whisper_tensors.read(place / "model.bin")
    for name in ("openai-whisper-base", "whisper-large-v3"):
        (tmp_path / name).mkdir()
    whisper_tensors.write_openai(tensors, tmp_path / "openai-whisper-base" / "base.pt", HEADS)
    whisper_tensors.write_transformers(tensors, tmp_path / "whisper-large-v3", HEADS)
    files, heard = clips(), {}
    assert files
    for name, settings in WAYS.items():
        run = extractor(name).load({**settings, "language": "en"}, "cpu")
        requests = [Request(name, file) for file in files]
        features = [feature for at in range(0, len(files), 8) for feature in run(requests[at : at + 8])]
        heard[name] = [feature.value["text"].strip() for feature in features]
    for one, other in itertools.combinations(WAYS, 2):
        differ = [(f.name, a, b) for f, a, b in zip(files, heard[one], heard[other], strict=True) if a != b]
        for row in differ:
            print(one, other, *row, sep="\n  ")
        print(f"{one} and {other}: {len(files) - len(differ)} of {len(files)} transcripts alike")
        assert len(differ) <= 0.05 * len(files), differ
