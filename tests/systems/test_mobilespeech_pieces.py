"""Cutting texts: nothing is lost, nothing is said twice, and no piece is too long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ttsbench.systems.mobilespeech.pieces import clauses, sentences

TEXTS = st.lists(
    st.sampled_from(["go", "stop.", "well,", "why?", "so;", '"yes."', "a—", "x"]), min_size=1, max_size=200
)


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_words_stay_in_order_and_pieces_short(words: list[str]) -> None:
    text = " ".join(words)
    for pieces in (sentences(text, 20), clauses(text, 3, 20), sentences(text), clauses(text)):
        assert " ".join(pieces) == text
    assert all(len(piece.split()) <= 20 for piece in sentences(text, 20))


def test_short_texts_stay_whole_and_long_ones_break_at_sentences() -> None:
    assert sentences("One. Two. Three.") == ["One. Two. Three."]
    long = " ".join(["A sentence of just six words."] * 15)
    assert [len(piece.split()) for piece in sentences(long)] == [60, 30]
    assert all(piece.endswith(".") for piece in sentences(long))


def test_clauses_start_early() -> None:
    text = "When the rain stopped, we went out. Oh, well, it was late; the shops were closed."
    assert clauses(text) == [
        "When the rain stopped,",
        "we went out.",
        "Oh, well, it was late;",
        "the shops were closed.",
    ]
