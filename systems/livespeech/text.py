"""What LiveSpeech reads: characters at full size, phones in the small preset."""

from __future__ import annotations

from ttsbench.systems.livespeech.design import CHARACTERS


def characters(text: str) -> list[int]:
    """The paper's alphabet: space, apostrophe, a to z as 1 to 28; numbers in words, punctuation left out."""
    from ttsbench.systems.text.normalise import PAUSE, normalise

    words = [word for word in normalise(text) if word != PAUSE]
    return [CHARACTERS.index(letter) + 1 for letter in " ".join(words) if letter in CHARACTERS]


def symbols_of(text: str) -> list[int]:
    """Phones, 1 to 40, with pauses. ValueError where there is nothing to say or the language is not supported."""
    from ttsbench.systems.text.frontend import text_to_ids

    symbols = text_to_ids(text)
    if set(symbols) <= {1}:
        raise ValueError(f"nothing to say in {text!r}")
    return symbols
