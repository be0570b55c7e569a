"""Pieces of a run put together are the run."""

from pathlib import Path

import pytest

from ttsbench.execute import shards
from ttsbench.records import Feature, Sample, Synthesis, TestSet
from ttsbench.store import FeatureStore, Run, StoreError

SAMPLES = tuple(Sample(f"s{number}", f"Sentence {number}.") for number in range(7))
WHOLE = TestSet("tiny", SAMPLES, "CC0", "here", digest="d")


def make(tmp_path: Path, index: int, count: int, seed: int = 0) -> Path:
    testset = shards.piece(WHOLE, index, count)
    info = {
        "testset": {"name": testset.name, "digest": "d", "samples": len(testset.samples)},
        "identity": {"seed": str(seed)},
        "shard": [index, count],
        "machine": {"name": f"m{index}"},
    }
    run = Run.create(tmp_path / f"piece{index}", info, testset.samples)
    (run.path / "audio").mkdir()
    for sample in testset.samples:
        (run.path / "audio" / f"{sample.id}.flac").write_bytes(sample.id.encode())
        run.add_synthesis(Synthesis(sample.id, f"audio/{sample.id}.flac"))
        FeatureStore(run.path / "features").put("asr", sample.id, Feature({"text": sample.text}), {})
    return run.path


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_sample_is_in_exactly_one_piece(count: int) -> None:
    pieces = [shards.piece(WHOLE, index, count).samples for index in range(1, count + 1)]
    assert sorted(sample.id for piece in pieces for sample in piece) == [sample.id for sample in SAMPLES]


def test_merging_restores_order_rows_audio_and_features(tmp_path: Path) -> None:
    folders = [make(tmp_path, index, 3) for index in (2, 3, 1)]
    run = shards.merge(folders, tmp_path / "whole")
    assert [sample.id for sample in run.samples] == [sample.id for sample in SAMPLES]
    assert set(run.syntheses) == {sample.id for sample in SAMPLES}
    assert run.info["testset"]["name"] == "tiny" and [m["name"] for m in run.info["spread"]] == ["m1", "m2", "m3"]
    for sample in SAMPLES:
        assert (run.path / run.syntheses[sample.id].audio).read_bytes() == sample.id.encode()
        assert FeatureStore(run.path / "features").get("asr", sample.id) == Feature({"text": sample.text})


def test_pieces_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one, two = make(tmp_path, 1, 2), make(tmp_path / "other", 2, 2, seed=5)
    with pytest.raises(StoreError, match="seed"):
        shards.merge([one, two], tmp_path / "whole")
    with pytest.raises(StoreError, match="whole run of 1"):
        shards.merge([one], tmp_path / "whole")
    with pytest.raises(StoreError, match="whole run of 2"):
        shards.merge([one, one], tmp_path / "whole")
