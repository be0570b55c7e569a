"""Golden values of docs/protocols.md: normalisation cases, and published corpus rates on a real recogniser's output."""

import os
from pathlib import Path

import pytest

from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import compare, count

SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
LISTS = SHARED / "data" / "librispeech-refs-hyps"

# language, reference, hypothesis, rate under Seed's rules, under F5's
CASES = [
    ("en", "We don't, they said.", "We don’t they said", 0.25, 0.0),
    ("en", '"Mrs. David\'s house."', "mrs davids house", 1 / 3, 0.0),
    ("en", "a well-known man", "a well known man", 2 / 3, 2 / 3),
    ("en", "fifty people", "50 people", 0.5, 0.5),
    ("en", "Chapter 12 – the end", "chapter twelve the end", 0.25, 0.25),
    ("en", "five o'clock — now", "5 o'clock now", 1 / 3, 1 / 3),
    ("en", "naïve café", "naive cafe", 1.0, 1.0),
    ("en", "go", "go go go go go go", 5.0, 5.0),
    ("en", "hello", "", 1.0, 1.0),
    ("en", "...", "you", 1.0, 1.0),
    ("en", "Hello  world   again", "hello world again", 0.0, 0.0),
    ("zh", "我有3个iPhone，很好。", "我有三个iphone很好", 2 / 12, 2 / 12),
    ("zh", "你好 world", "你好world", 0.0, 0.0),
    ("zh", "她说：“走吧！”", "他说走吧", 0.25, 0.25),
    ("zh", "臺灣大學", "台湾大学", 0.75, 0.75),  # the reference is not simplified
    ("zh", "台湾大学", "臺灣大學", 0.0, 0.0),  # the hypothesis is
]


@pytest.mark.parametrize(("language", "reference", "hypothesis", "seed", "f5"), CASES)
def test_golden_cases(language, reference, hypothesis, seed, f5):
    if language == "zh":
        pytest.importorskip("opencc", reason="Chinese needs opencc, in extra 'paper'")
    assert compare(reference, hypothesis, rules(f"seed-{language}"))[2].rate == pytest.approx(seed, abs=1e-12)
    assert compare(reference, hypothesis, rules(f"f5-{language}"))[2].rate == pytest.approx(f5, abs=1e-12)


def test_component_denominator_counts_empty_pieces():
    counts = compare("Hello  world   again", "hello world again", rules("seed-en"))[2]
    assert (counts.pieces, counts.length) == (4, 3)
    pytest.importorskip("opencc", reason="Chinese needs opencc, in extra 'paper'")
    counts = compare("你好 world", "你好world", rules("seed-zh"))[2]
    assert (counts.pieces, counts.length) == (9, 7)


def test_hyphen_case_is_one_substitution_and_one_insertion():
    counts = compare("a well-known man", "a well known man", rules("seed-en"))[2]
    assert (counts.substitutions, counts.insertions, counts.deletions) == (1, 1, 0)


def test_tabs_do_not_split_words_in_seed_rules():
    assert rules("seed-en")("one\ttwo") == "one\ttwo"


def table(path):
    pairs = (line.partition("\t") for line in path.read_text().splitlines() if line.strip())
    return {utterance: text for utterance, _, text in pairs}


SETS = [  # files, words, published WER, mean of utterances, corpus CER; all in %
    ("test-clean", "b1.rnnt_baseline", 52576, 3.6537583688374924, 4.471315, 1.325258),
    ("test-other", "b1.rnnt_baseline", 52343, 9.607779454750396, 11.252266, 4.411603),
]


@pytest.mark.skipif(not LISTS.is_dir(), reason="needs ../shared/data/librispeech-refs-hyps")
@pytest.mark.parametrize(("part", "model", "words", "corpus", "mean", "characters"), SETS)
def test_published_corpus_rates(part, model, words, corpus, mean, characters):
    references = table(LISTS / f"{part}.ref.tsv")
    heard = table(LISTS / f"{part}.{model}.hyp.tsv")
    assert set(references) == set(heard)
    counts = [count(references[utterance], heard[utterance]) for utterance in references]
    assert sum(each.length for each in counts) == words
    errors = sum(each.errors for each in counts)
    assert 100 * errors / words == pytest.approx(corpus, abs=1e-12)
    published = (LISTS / f"{part}.{model}.result.txt").read_text().split("\n")[0]
    parts = [int(field.split("=")[1]) for field in published.split(", ")[2:]]
    assert errors == sum(parts)
    assert 100 * sum(each.rate for each in counts) / len(counts) == pytest.approx(mean, abs=5e-7)
    letters = [count(references[utterance], heard[utterance], "character") for utterance in references]
    rate = 100 * sum(each.errors for each in letters) / sum(each.length for each in letters)
    assert rate == pytest.approx(characters, abs=5e-7)
    if part == "test-other":
        capped = [each.rate for each in counts if each.rate <= 0.5]
        assert 100 * sum(capped) / len(capped) == pytest.approx(9.960, abs=5e-4)
        assert len(counts) - len(capped) == 59
        assert sum(each.rate > 1 for each in counts) == 3
