"""The Open TTS Leaderboard's text rules and rates: worked values, each had from kaldialign and their texts of rules."""

import pytest

from ttsbench.metrics.text import open_tts, rules
from ttsbench.metrics.wer import compare, count

# rules, reference, hypothesis, both after the rules, rate with compounds merged, rate without
WORDS = [
    ("en", "We don't, they said.", "We don’t they said", "we do not they said", "we don t they said", 0.4, 0.4),
    ("en", "a well-known man", "a wellknown man", "a well known man", "a wellknown man", 0, 0.5),
    ("en", "whitepaper", "white paper", "whitepaper", "white paper", 0, 2.0),
    ("en", "John's won't", "johns will not", "john s will not", "johns will not", 0, 0.5),
    ("en", "Mr. Smith paid $12.50", "mister smith paid twelve dollars and fifty cents", "mister smith paid $12.50",
     "mister smith paid $12.50", 0, 0),
    ("en", "It's two thirty p.m.", "its 2:30 pm", "it is 230 pm", "its 2 30 pm", 0.5, 0.75),
    ("en", "five o'clock — now", "5 o'clock now", "50 clock now", "50 clock now", 0, 0),
    ("en", "Oh my, five oclock", "oh my 5 o'clock", "0 my 5 oclock", "0 my 50 clock", 0.5, 0.5),
    ("de", "Die Donaudampfschifffahrt kostet 21 Euro.", "die Donau Dampfschifffahrt kostet einundzwanzig Euro",
     "die donaudampfschifffahrt kostet einundzwanzig euro", "die donaudampfschifffahrt kostet einundzwanzig euro",
     0, 0),
    ("de", "Übermäßige Straßen", "übermässige strassen", "übermäßige straßen", "übermässige strassen", 1.0, 1.0),
    ("fr", "Dix-sept élèves n'ont pas l'âge", "17 élèves n’ont pas l’age", "dix sept élèves n ont pas l âge",
     "dix sept élèves n ont pas l age", 0.125, 0.125),
]  # fmt: skip
SNOW = ("他跑得很快，地上的雪化了。", "她跑的很快的上得雪化了")
CHARACTERS = [
    ("zh-strict", "她说：“走吧！”", "他说走吧", "她说走吧", "他说走吧", 0.25),
    ("zh", "她说：“走吧！”", "他说走吧", "他说走吧", "他说走吧", 0),
    ("zh-strict", "臺灣大學", "台湾大学", "台湾大学", "台湾大学", 0),
    ("zh", "臺灣大學", "台湾大学", "台湾大学", "台湾大学", 0),
    ("zh-strict", "我有3个iPhone，很好。", "我有三个iphone很好", "我有3个iphone很好", "我有三个iphone很好", 1 / 12),
    ("zh", "我有3个iPhone，很好。", "我有三个iphone很好", "我有三个iphone很好", "我有三个iphone很好", 0),
    ("zh-strict", SNOW[0], SNOW[1], "他跑得很快地上的雪化了", SNOW[1], 4 / 11),
    ("zh", SNOW[0], SNOW[1], "他跑的很快的上的雪化了", "他跑的很快的上的雪化了", 0),
    ("zh-strict", "二〇二〇年", "2020年", "二〇二〇年", "2020年", 0.8),
    ("zh", "二〇二〇年", "2020年", "二零二零年", "二零二零年", 0),
    ("zh-strict", "十二个人", "12个人", "十二个人", "12个人", 0.5),
    ("zh", "十二个人", "12个人", "十二个人", "一二个人", 0.25),
    ("zh-strict", "抱着一大堆纸箱", "抱著一大堆紙箱", "抱着一大堆纸箱", "抱着一大堆纸箱", 0),
    ("zh-strict", "你和它", "妳和牠", "你和它", "你和它", 0),
    ("zh-strict", "２３℃", "23°C", "23c", "23c", 0),
    ("zh", "２３℃", "23°C", "二三c", "二三c", 0),
    ("ja-strict", "カメラを買った。", "かめらを買った", "カメラを買った", "かめらを買った", 3 / 7),
    ("ja", "カメラを買った。", "かめらを買った", "かめらを買った", "かめらを買った", 0),
    ("ja-strict", "東京都", "东京都", "東京都", "东京都", 1 / 3),
    ("ja", "東京都", "东京都", "東京都", "东京都", 1 / 3),
    ("ja-strict", "3月", "三月", "3月", "三月", 0.5),
    ("ja", "3月", "三月", "三月", "三月", 0),
]  # fmt: skip


def usable(name):
    if name == "en":
        pytest.importorskip("more_itertools", reason="Whisper's rules need openai-whisper, in extra 'paper'")
    if name.startswith("zh"):
        pytest.importorskip("opencc", reason="Chinese needs opencc, in extra 'paper'")
    return rules(f"open-tts-{name}")


@pytest.mark.parametrize(("name", "reference", "hypothesis", "left", "right", "merged", "apart"), WORDS)
def test_words(name, reference, hypothesis, left, right, merged, apart):
    pytest.importorskip("kaldialign", reason="compounds are merged by kaldialign, in extra 'paper'")
    found = compare(reference, hypothesis, usable(name), merged=True)
    assert (found[0].strip(), found[1].strip()) == (left, right)
    assert found[2].rate == pytest.approx(merged, abs=1e-12)
    assert compare(reference, hypothesis, usable(name))[2].rate == pytest.approx(apart, abs=1e-12)


@pytest.mark.parametrize(("name", "reference", "hypothesis", "left", "right", "rate"), CHARACTERS)
def test_characters(name, reference, hypothesis, left, right, rate):
    found = compare(reference, hypothesis, usable(name), "character")
    assert (found[0], found[1]) == (left, right)
    assert found[2].rate == pytest.approx(rate, abs=1e-12)


def test_german_without_the_joining_of_compounds():
    """What the step over both texts is worth: 2 of 5 words."""
    how = usable("de")
    reference, hypothesis = (
        how("Die Donaudampfschifffahrt kostet 21 Euro."),
        how("die Donau Dampfschifffahrt kostet einundzwanzig Euro"),
    )
    assert (
        count(reference, hypothesis).rate == pytest.approx(0.4) and count(reference, hypothesis, merged=True).rate == 0
    )
    assert open_tts.joined(reference, hypothesis)[0] == reference and hypothesis.split()[1:3] == [
        "donau",
        "dampfschifffahrt",
    ]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("3,500 kg", "dreitausendfünfhundert kg"),  # meant 3.5 in German
        ("2020 300 Leute", "zwei Millionen zwanzigtausenddreihundert leute"),
    ],
)
def test_german_numbers_as_the_original_reads_them(text, normal):
    assert usable("de")(text) == normal


def test_corpus_of_two_chinese_rows():
    pairs = [("他跑得很快", "她跑的很快"), ("你好", "您好")]
    for name, wanted in (("zh-strict", 3 / 7), ("zh", 1 / 7)):
        counts = [compare(*pair, usable(name), "character")[2] for pair in pairs]
        assert sum(each.errors for each in counts) / sum(each.length for each in counts) == pytest.approx(wanted)


def test_vowel_signs_stay_letters():
    assert usable("hi")("नमस्ते!") == "नमस्ते"


def test_thai_is_scored_by_characters_without_spaces():
    left, right, counts = compare("สวัสดี ครับ", "สวัสดีครับ", usable("th"), "character")
    assert left == right and counts.errors == 0 and counts.length == 10


def test_a_chinese_text_with_the_dot_of_names_is_taken_for_japanese_as_in_the_original():
    usable("zh")
    assert rules("open-tts-zh")("她・地") == "她地"


def test_numbers_of_a_language_that_is_not_known_stay_digits():
    assert open_tts.spell("xx")("12 a") == "12 a"
