"""Letter-to-sound rules for words that no dictionary holds. Always gives at least one phone for a word with letters."""

from __future__ import annotations

import re

# (before, letters, after, phones): the first rule that fits at a place is taken; `before` and `after` are patterns.
_RULES: tuple[tuple[str, str, str, str], ...] = (
    ("", "tion", "", "sh ah n"),
    ("", "sion", "", "zh ah n"),
    ("", "cious", "", "sh ah s"),
    ("", "tious", "", "sh ah s"),
    ("", "cial", "", "sh ah l"),
    ("", "tial", "", "sh ah l"),
    ("", "ture", "$", "ch er"),
    ("", "sure", "$", "zh er"),
    ("", "ough", "t", "ao"),
    ("", "ough", "", "ow"),
    ("", "augh", "t", "ao"),
    ("", "eigh", "", "ey"),
    ("", "igh", "", "ay"),
    ("", "tch", "", "ch"),
    ("", "dge", "", "jh"),
    ("", "sch", "", "sh"),
    ("", "ous", "$", "ah s"),
    ("", "ed", "$", "d"),
    ("^", "kn", "", "n"),
    ("^", "gn", "", "n"),
    ("^", "wr", "", "r"),
    ("^", "ps", "", "s"),
    ("^", "wh", "", "w"),
    ("^", "x", "", "z"),
    ("", "ch", "", "ch"),
    ("", "sh", "", "sh"),
    ("", "th", "", "th"),
    ("", "ph", "", "f"),
    ("^", "gh", "", "g"),
    ("", "gh", "", ""),
    ("", "ck", "", "k"),
    ("", "qu", "", "k w"),
    ("", "ng", "$", "ng"),
    ("", "nk", "", "ng k"),
    ("", "mb", "$", "m"),
    ("", "sc", "[eiy]", "s"),
    ("", "oor", "", "ao r"),
    ("", "oar", "", "ao r"),
    ("", "our", "", "aw er"),
    ("", "ear", "", "ih r"),
    ("", "eer", "", "ih r"),
    ("", "air", "", "eh r"),
    ("", "are", "$", "eh r"),
    ("", "ore", "$", "ao r"),
    ("", "ire", "$", "ay er"),
    ("", "ee", "", "iy"),
    ("", "ea", "", "iy"),
    ("", "ei", "", "iy"),
    ("", "ie", "$", "iy"),
    ("", "ie", "", "iy"),
    ("", "eu", "", "y uw"),
    ("", "ew", "", "uw"),
    ("", "ey", "$", "iy"),
    ("", "ai", "", "ey"),
    ("", "ay", "", "ey"),
    ("", "au", "", "ao"),
    ("", "aw", "", "ao"),
    ("", "oa", "", "ow"),
    ("", "oo", "k", "uh"),
    ("", "oo", "", "uw"),
    ("", "oi", "", "oy"),
    ("", "oy", "", "oy"),
    ("", "ou", "", "aw"),
    ("", "ow", "$", "ow"),
    ("", "ow", "", "aw"),
    ("", "ue", "$", "uw"),
    ("", "ui", "", "uw"),
    ("", "ar", "", "aa r"),
    ("", "or", "", "ao r"),
    ("", "[eiu]r", "", "er"),
    ("", "le", "$", "ah l"),
    ("", "a", "[^aeiouy](e|ed|es)$", "ey"),
    ("", "i", "[^aeiouy](e|ed|es)$", "ay"),
    ("", "o", "[^aeiouy](e|ed|es)$", "ow"),
    ("", "u", "[^aeiouy](e|ed|es)$", "uw"),
    ("", "e", "[^aeiouy](e|ed|es)$", "iy"),
    ("[aeiouy].*", "e", "s?$", ""),
    ("", "c", "[eiy]", "s"),
    ("", "g", "[eiy]", "jh"),
    ("[aeiou]", "s", "[aeiou]", "z"),
    ("^", "y", "", "y"),
    ("[aeiouy].*", "y", "$", "iy"),
    ("", "y", "$", "ay"),
    ("", "a", "$", "ah"),
    ("", "o", "$", "ow"),
    ("", "i", "$", "iy"),
    ("", "a", "", "ae"),
    ("", "e", "", "eh"),
    ("", "i", "", "ih"),
    ("", "o", "", "aa"),
    ("", "u", "", "ah"),
    ("", "y", "", "ih"),
    ("", "x", "", "k s"),
    ("", "j", "", "jh"),
    ("", "c", "", "k"),
    ("", "q", "", "k"),
    *(
        ("", letter, "", phone)
        for letter, phone in zip("bdfghklmnprstvwz", "b d f g hh k l m n p r s t v w z".split(), strict=True)
    ),
)
_COMPILED = tuple(
    (
        re.compile(f"(?:{before})$") if before else None,
        re.compile(letters + (f"(?={after})" if after else "")),
        phones.split(),
    )
    for before, letters, after, phones in _RULES
)

LETTERS: dict[str, tuple[str, ...]] = {
    letter: tuple(phones.split())
    for letter, phones in zip(
        "abcdefghijklmnopqrstuvwxyz",
        (
            "ey;b iy;s iy;d iy;iy;eh f;jh iy;ey ch;ay;jh ey;k ey;eh l;eh m;eh n;ow;p iy;k y uw;aa r;eh s;t iy;y uw;"
            "v iy;d ah b ah l y uw;eh k s;w ay;z iy"
        ).split(";"),
        strict=True,
    )
}


def letters_to_phones(word: str) -> list[str]:
    """A word of letters a-z to phones; its letters' names where it has no vowel or the rules give nothing."""
    word = re.sub(r"[^a-z]", "", word.lower())
    if not re.search("[aeiouy]", word):
        return [phone for letter in word for phone in LETTERS[letter]]
    out: list[str] = []
    place = 0
    while place < len(word):
        for before, pattern, phones in _COMPILED:
            found = pattern.match(word, place)
            if found and (before is None or before.search(word[:place])):
                if not (out and phones and out[-1] == phones[0] and word[place - 1] == word[place]):  # doubled letters
                    out += phones
                place = found.end()
                break
        else:
            place += 1
    return out or [phone for letter in word for phone in LETTERS[letter]]
