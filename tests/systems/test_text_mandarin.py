"""Mandarin and mixed text: phones, numbers, and any Unicode at all."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsbench.systems.text import mandarin
from ttsbench.systems.text.frontend import in_both, text_to_ids, text_to_phones
from ttsbench.systems.text.normalise import UnsupportedText, is_chinese
from ttsbench.systems.text.passages import passages
from ttsbench.systems.text.phones import ENGLISH, IDS, PHONES


def said(text: str) -> str:
    return " ".join(in_both(text))


def test_the_english_phones_keep_their_numbers() -> None:
    assert len(ENGLISH) == 41 and PHONES[:41] == ENGLISH and len(set(PHONES)) == len(PHONES) == 247
    assert IDS["pau"] == 1 and IDS["aa"] == 2 and IDS["zh"] == 40


def test_syllables_are_an_initial_and_a_final_with_its_tone() -> None:
    assert said("你好。") == "pau n- i-3 h- ao-3 pau"
    assert mandarin.phones_of("yuan2") == ["van-2"] and mandarin.phones_of("jiu3") == ["j-", "iou-3"]
    assert mandarin.phones_of("nü3") == ["n-", "v-3"] and mandarin.phones_of("de5") == ["d-", "e-5"]
    assert mandarin.phones_of("er2") == ["er-2"] and mandarin.phones_of("abc") == []
    assert said("银行行长") == "pau in-2 h- ang-2 h- ang-2 zh- ang-3 pau"  # a character's reading comes from its word


def test_both_languages_in_one_sentence() -> None:
    assert said("我用phone打电话，ok？") == (
        "pau uo-3 iong-4 f ow n d- a-3 d- ian-4 h- ua-4 pau " + " ".join(text_to_phones("OK")[1:])
    )
    assert said("Hello, 世界!") == "pau hh ah l ow pau sh- i-4 j- ie-4 pau"


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("10005", "一万零五"), ("20000012", "二千万零一十二"), ("110", "一百一十"), ("15", "十五"), ("007", "零零七"),
        ("3.50", "三点五零"), ("2024年", "二零二四年"), ("12:30", "十二点三十分"), ("2:05", "两点零五分"),
        ("¥3.50", "三点五元"), ("$1,200", "一千二百美元"), ("15.5%", "百分之十五点五"), ("1/2", "二分之一"),
        ("-3°C", "负三摄氏度"), ("3-5个", "三到五个"), ("2个", "两个"), ("13812345678", "一三八一二三四五六七八"),
        ("5 km", "五公里"), ("1" * 17, "一" * 17), ("9" * 9, "九亿九千九百九十九万九千九百九十九"),
    ],
)  # fmt: skip
def test_numbers_as_mandarin_says_them(written: str, spelled: str) -> None:
    assert mandarin.spelled(written) == spelled


def test_a_number_is_read_in_the_language_beside_it() -> None:
    assert said("我有2个苹果") == said("我有两个苹果")
    assert said("iPhone 15 很好") == said("iPhone 十五很好")
    assert said("他说 I have 2 apples.") == said("他说 I have two apples.")
    assert said("增长5%。In 2023 it fell.") == said("增长百分之五。In twenty twenty three it fell.")


def test_what_a_model_knows_decides_what_it_is_given() -> None:
    with pytest.raises(UnsupportedText):
        text_to_ids("你好")
    assert text_to_ids("你好", len(PHONES)) == [1, *(IDS[p] for p in ("n-", "i-3", "h-", "ao-3")), 1]
    for text in ("Hello there, 3 of you.", "½ a mile", "", "Ünïcode"):
        assert text_to_ids(text, len(PHONES)) == text_to_ids(text)


def test_long_mandarin_is_cut_into_passages() -> None:
    text = "今天天气很好，我们去公园散步，然后回家吃饭。" * 6
    parts = passages(text, len(PHONES))
    assert "".join(part.replace(" ", "") for part in parts) == text and len(parts) == 3
    assert all(len(text_to_ids(part, len(PHONES))) <= 90 for part in [*parts, *passages("好" * 200, len(PHONES))])


@settings(max_examples=400, deadline=None)
@given(
    st.text(
        st.one_of(st.characters(codec=None), st.sampled_from("你好行了0123456789.,:%$¥-/年个kgA。，《")), max_size=60
    )
)
def test_any_unicode_gives_known_phones(text: str) -> None:
    phones = in_both(text)
    assert phones[0] == phones[-1] == "pau" and set(phones) <= set(PHONES[1:])
    assert not any(a == b == "pau" for a, b in itertools.pairwise(phones))
    if not any(is_chinese(c) for c in unicodedata.normalize("NFKC", text)):
        assert phones == text_to_phones(text)
