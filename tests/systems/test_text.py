import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.frontend import pronounce, text_to_ids, text_to_phones
from ttsbench.systems.text.letters import letters_to_phones
from ttsbench.systems.text.normalise import UnsupportedText, is_chinese, normalise
from ttsbench.systems.text.phones import IDS, PHONES, canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It costs $3.50.", "it costs three dollars fifty cents ,"),
        ("$1 and £2.01", "one dollar and two pounds one penny"),
        ("$2.5 million", "two point five million dollars"),
        ("Dr. Smith vs. Mr. Jones", "doctor smith versus mister jones"),
        ("at 3:05 pm", "at three oh five p m"),
        ("10:00", "ten o'clock"),
        ("in 1984 and 2005", "in nineteen eighty four and two thousand five"),
        ("the 1990s", "the nineteen nineties"),
        ("the 21st of 1,234", "the twenty first of one thousand two hundred thirty four"),
        ("50% of -3.14", "fifty percent of minus three point one four"),
        ("call 555-1234", "call five five five , one two three four"),
        ("pages 3-5", "pages three to five"),
        ("5 km & 70mph", "five kilometers and seventy miles per hour"),
        ("the BBC, e.g. HTTP", "the b b c , for example h t t p"),
        ("Café naïve", "cafe naive"),
        ("Stop!! Now...", "stop , now ,"),
        ("007", "zero zero seven"),
        ("٣ apples", "three apples"),
        ("½ cup", "one half cup"),
    ],
)
def test_normalisation(text: str, words: str) -> None:
    assert normalise(text) == words.split()


def test_phones_have_pauses_at_the_ends_and_at_punctuation() -> None:
    assert text_to_phones("Hello, world.") == ["pau", "hh", "ah", "l", "ow", "pau", "w", "er", "l", "d", "pau"]
    assert text_to_phones("") == text_to_phones("...") == ["pau"]
    assert text_to_ids("a") == [IDS["pau"], IDS["ah"], IDS["pau"]]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("blorptions", "b l ao r p sh ah n s"),
        ("phight", "f ay t"),
        ("zate", "z ey t"),
        ("knizz", "n ih z"),
        ("quaxle", "k w ae k s ah l"),
        ("xyz", "z ih z"),
        ("brrr", "b iy aa r aa r aa r"),
    ],
)
def test_letter_rules(word: str, phones: str) -> None:
    assert letters_to_phones(word) == phones.split()


def test_endings_and_compounds_of_known_words() -> None:
    known = dictionary()
    assert "moonlamp" not in known and pronounce("moonlamp") == [*known["moon"], *known["lamp"]]
    assert "cupcakes's" not in known and pronounce("gravestone's")[-1] == "z"


def test_letter_rules_agree_with_the_dictionary_more_often_than_not() -> None:
    """Share of phones right (by edit distance) on every 300th dictionary word: rules must be rules, not noise."""
    import difflib

    words = [w for w in dictionary() if w.isalpha() and len(w) > 3][::300]
    shares = [difflib.SequenceMatcher(None, letters_to_phones(w), list(dictionary()[w])).ratio() for w in words]
    assert len(words) > 200 and sum(shares) / len(shares) > 0.66


def test_chinese_is_one_clear_error() -> None:
    for text in ("你好", "Hello 世界", "ㄅㄆ"):
        with pytest.raises(UnsupportedText, match="unsupported by this checkpoint"):
            text_to_phones(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60))
def test_any_unicode_gives_known_phones(text: str) -> None:
    try:
        phones = text_to_phones(text)
    except UnsupportedText:
        assert any(is_chinese(c) for c in unicodedata.normalize("NFKC", text))
        return
    assert phones[0] == phones[-1] == "pau" and set(phones) <= set(PHONES[1:])
    assert not any(a == b == "pau" for a, b in itertools.pairwise(phones))


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789.,:-$£%/ apm", max_size=40))
def test_any_mess_of_numbers_is_read(text: str) -> None:
    assert all(word == "," or word.replace("'", "").isalpha() for word in normalise(text))


def test_phone_names_of_both_aligners() -> None:
    assert [canonical(p) for p in ("ax", "AH0", "SIL", "<sil>", "+SPN+", "HH", "s", "S")] == [
        "ah",
        "ah",
        "pau",
        "pau",
        "pau",
        "hh",
        "s",
        "s",
    ]
    with pytest.raises(KeyError, match="not one of"):
        canonical("qq")
