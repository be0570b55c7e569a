"""torchmetrics wraps the same packages: where it agrees with ours, and where it does not."""

import os
from pathlib import Path

import pytest

from ttsbench import audio
from ttsbench.metrics.quality.pair import pesq_pair, stoi_pair
from ttsbench.metrics.wer import count

SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
PAIRS = [("the cat sat on the mat", "the cat sad on mat"), ("hello there", ""), ("one two", "one two three")]
torchmetrics = pytest.importorskip("torchmetrics.functional", reason="needs torchmetrics, in extra 'paper'")


def corpus(pairs, unit):
    counts = [count(*pair, unit) for pair in pairs]
    return sum(each.errors for each in counts) / sum(each.length for each in counts)


def test_corpus_rates_agree():
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    references, hypotheses = map(list, zip(*PAIRS, strict=True))
    assert float(word_error_rate(hypotheses, references)) == pytest.approx(corpus(PAIRS, "word"), abs=1e-6)
    assert float(char_error_rate(hypotheses, references)) == pytest.approx(corpus(PAIRS, "character"), abs=1e-6)


def test_an_empty_reference_is_where_they_differ():
    """torchmetrics divides by zero; jiwer 4 and ours count the insertions."""
    from torchmetrics.functional.text import word_error_rate

    theirs = float(word_error_rate(["you"], [""]))
    assert theirs != theirs or theirs == float("inf")
    assert count("", "you").rate == 1.0


@pytest.mark.skipif(not (SHARED / "data" / "pesq").is_dir(), reason="needs ../shared/data/pesq")
def test_pesq_and_stoi_agree():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.audio import perceptual_evaluation_speech_quality, short_time_objective_intelligibility

    clean = audio.read_at(SHARED / "data" / "pesq" / "speech.wav", 16000)
    noisy = audio.read_at(SHARED / "data" / "pesq" / "speech_bab_0dB.wav", 16000)
    left, right = torch.from_numpy(noisy.copy()), torch.from_numpy(clean.copy())
    for mode in ("wb", "nb"):
        theirs = float(perceptual_evaluation_speech_quality(left, right, 16000, mode))
        assert pesq_pair(clean, noisy)[mode] == pytest.approx(theirs, abs=1e-5)
    theirs = float(short_time_objective_intelligibility(left, right, 16000))
    assert stoi_pair(clean, noisy)["stoi"] == pytest.approx(theirs, abs=1e-5)
