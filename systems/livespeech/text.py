"""What LiveSpeech reads: characters at full size, phones in the small preset."""

from __future__ import annotations

from ttsbench.systems.livespeech.design import CHARACTERS


def characters(text: str) -> list[int]:
    """The paper's alphabet (a to z, apostrophe, space; numbers in words beforehand), 1 to 28; the rest is left out."""
    return [CHARACTERS.index(letter) + 1 for letter in " ".join(text.lower().split()) if letter in CHARACTERS]


def symbols_of(text: str) -> list[int]:
    """Phones, 1 to 40, with pauses. ValueError where there is nothing to say or the language is not supported."""
    from ttsbench.systems.text.frontend import text_to_ids

    symbols = text_to_ids(text)
    if set(symbols) <= {1}:
        raise ValueError(f"nothing to say in {text!r}")
    return symbols
