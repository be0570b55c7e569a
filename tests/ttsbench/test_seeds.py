"""Several seeds: a row for each, one utterance in every interval and test; what seeds differ by counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ttsbench import cli, names, significance, speaking, stats, testsets
from ttsbench.benchmark import repeated
from ttsbench.names import repetition
from ttsbench.records import Metric, Score
from ttsbench.store import Run

MOS = Metric("mos", "MOS", "MOS", "higher", None, None, "quality", "")
NOISE = """
import numpy as np
from ttsbench.records import Card

class Noise:
    card = Card("noise", version="1")

    def synthesize(self, sample, seed):
        yield np.random.default_rng(seed).normal(0, 0.1, 8000 + seed % 8000).clip(-1, 1).astype(np.float32)
"""


def simulated(
    rng: np.random.Generator, seeds: int, of_row: float, of_seed: float, speakers: int = 16
) -> tuple[list[Score], dict[str, str]]:
    """Scores of true mean 0: two utterances a speaker; speakers and utterances vary by 1, rows and seeds as told."""
    common, scores, clusters = rng.normal(0, of_seed, seeds), [], {}
    for speaker in range(speakers):
        voice = rng.normal()
        for text in range(2):
            centre = voice + rng.normal()
            for k in range(seeds):
                name = repetition(f"s{speaker}-{text}", k)
                clusters[name] = f"s{speaker}"
                scores.append(Score(name, centre + common[k] + rng.normal(0, of_row)))
    return scores, clusters


@pytest.mark.parametrize(("seeds", "of_row", "of_seed"), [(3, 1.0, 0.0), (3, 1.0, 1.0), (5, 0.3, 0.5)])
def test_the_interval_covers_the_truth_whatever_the_seeds_do(seeds: int, of_row: float, of_seed: float) -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(150):
        found = stats.cell(MOS, *simulated(rng, seeds, of_row, of_seed))
        assert found.low is not None and found.high is not None
        hits += found.low <= 0 <= found.high
    assert 0.90 <= hits / 150 <= 1.0


def test_a_seed_that_moves_all_rows_widens_the_interval_and_its_tests() -> None:
    rng = np.random.default_rng(3)
    scores, clusters = simulated(rng, 3, 0.1, 0.0)
    moved = [Score(row.sample, (row.value or 0) + (0, 2, 4)[names.parted(row.sample)[1]]) for row in scores]
    calm, wild = (stats.cell(MOS, rows, clusters) for rows in (scores, moved))
    assert [round(value or 0, 6) for value in np.subtract(wild.by_seed, calm.by_seed)] == [0, 2, 4]
    assert wild.high - wild.low > 3 * (calm.high - calm.low)  # type: ignore[operator]
    base = [Score(row.sample, (row.value or 0) - 1.5) for row in scores]
    assert significance.paired(MOS, base, scores, clusters).p < 1e-3
    assert significance.paired(MOS, base, moved, clusters).p > 0.05  # 3.5 more, but seeds lie 2 apart
    assert significance.ranks(MOS, [base, moved], clusters) == [(1, 2), (1, 2)]


def test_copies_of_a_row_are_no_further_evidence() -> None:
    scores, _ = simulated(np.random.default_rng(1), 1, 1.0, 0.0)
    copies = [Score(repetition(row.sample, k), row.value) for k in range(4) for row in scores]
    for clusters in (None, {row.sample: "" for row in copies}):
        once, often = stats.cell(MOS, scores, clusters), stats.cell(MOS, copies, clusters)
        assert (often.low, often.high) == pytest.approx((once.low, once.high))
    timed = Metric("rtf", "RTF", "", "lower", 0, None, "speed", "")
    later = [Score(row.sample, (row.value or 0) + 0.4) for row in scores]
    more = [Score(repetition(row.sample, k), row.value) for k in range(4) for row in later]
    assert significance.timings(timed, copies, more).p == pytest.approx(significance.timings(timed, scores, later).p)


def test_one_seed_has_no_spread() -> None:
    scores, clusters = simulated(np.random.default_rng(1), 1, 1.0, 0.0)
    assert stats.cell(MOS, scores, clusters).by_seed == ()
    assert stats.seed_noise(MOS, scores, clusters) == stats.SeedNoise()


def test_seeds_that_failed_in_part_are_counted_and_the_others_have_a_number() -> None:
    scores, clusters = simulated(np.random.default_rng(1), 3, 1.0, 0.0)
    lost = [Score(r.sample, error="no speech") if names.parted(r.sample)[1] == 1 else r for r in scores]
    found = stats.cell(MOS, lost, clusters)
    assert found.failed == len(scores) // 3 and found.by_seed[1] is None and None not in found.by_seed[::2]


def test_the_rows_of_a_set_with_seeds() -> None:
    testset = testsets.load("seed-mini")
    assert repeated(testset, 1) is testset
    twice = repeated(testset, 2)
    assert (twice.name, len(twice.samples)) == ("seed-mini-2seeds", 2 * len(testset.samples))
    assert twice.digest != testset.digest and twice.samples[: len(testset.samples)] == testset.samples
    again = twice.samples[len(testset.samples)]
    assert names.parted(again.id) == (testset.samples[0].id, 1) and again.text == testset.samples[0].text
    assert "repetition" in names.id_problem(again.id)  # no test set of its own may have such an id


def test_row_k_has_the_seed_of_a_run_with_seed_k() -> None:
    assert speaking.seed_for(7, repetition("a", 2)) == speaking.seed_for(9, "a")
    assert speaking.seed_for(7, "a") != speaking.seed_for(8, "a")


def test_a_run_with_seeds_from_command_to_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.py").write_text(NOISE)
    words = ["run", "--system", "python:noise.py:Noise", "--testset", "seed-mini", "--limit", "9", "--metrics"]
    assert cli.main([*words, "length-ratio", "--seeds", "3", "--seed", "4"]) == 0
    said = capsys.readouterr()
    assert "3 seeds: " in said.out and "intervals over" in said.out and "s and seeds" in said.out
    folder = tmp_path / "runs" / "noise@seed-mini-sample9-3seeds"
    run = Run.open(folder)
    lengths = {key: row.seconds for key, row in run.syntheses.items()}
    assert len(lengths) == 27 and run.info["seeds"] == 3
    first = run.samples[0].id
    assert len({lengths[repetition(first, k)] for k in range(3)}) == 3
    assert cli.main([*words, "length-ratio", "--seed", "6", "--out", "one"]) == 0
    alone = Run.open(tmp_path / "one" / "noise@seed-mini-sample9").syntheses
    assert alone[first].digest == run.syntheses[repetition(first, 2)].digest
    page = (tmp_path / "runs" / "report.html").read_text()
    assert "9 utterances with 3 seeds each" in page and "3 seeds: " in page
    capsys.readouterr()
    assert cli.main(["report", "runs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [len(row["by_seed"]) for row in rows if row["metric"] == "length-ratio"] == [3, 3]
    header, *lines = (tmp_path / "runs" / "results.csv").read_text().splitlines()
    assert "by_seed" in header.split(",") and len(lines) == 2
