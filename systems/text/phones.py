"""The phone set of the small systems: the 39 phones of the CMU dictionary, without stress, and a pause."""

from __future__ import annotations

PAUSE = "pau"
PHONES: tuple[str, ...] = (
    "<pad>",
    PAUSE,
    *[
        "aa",
        "ae",
        "ah",
        "ao",
        "aw",
        "ay",
        "b",
        "ch",
        "d",
        "dh",
        "eh",
        "er",
        "ey",
        "f",
        "g",
        "hh",
        "ih",
        "iy",
        "jh",
        "k",
        "l",
        "m",
        "n",
        "ng",
        "ow",
        "oy",
        "p",
        "r",
        "s",
        "sh",
        "t",
        "th",
        "uh",
        "uw",
        "v",
        "w",
        "y",
        "z",
        "zh",
    ],
)
IDS: dict[str, int] = {phone: number for number, phone in enumerate(PHONES)}
PAD = 0
_ALIASES = {
    "ax": "ah",
    "axr": "er",
    "ix": "ih",
    "sil": PAUSE,
    "brth": PAUSE,
    "h#": PAUSE,
    "hv": "hh",
    "nx": "n",
    "el": "l",
    "em": "m",
    "en": "n",
    "dx": "t",
}


def canonical(phone: str) -> str:
    """A phone as flite or pocketsphinx spells it ('ax', 'AH0', 'SIL', '<sil>', '+SPN+') in this phone set; KeyError
    otherwise.
    """
    name = phone.lower().strip("<>+").rstrip("012")
    name = _ALIASES.get(name, name)
    if name in {"spn", "nsn", "s", "/s"} and phone.strip("<>+") != phone:
        name = PAUSE
    if name not in IDS:
        raise KeyError(f"phone {phone!r} is not one of {' '.join(PHONES[1:])}")
    return name


def to_ids(phones: list[str]) -> list[int]:
    """Numbers for the model, 1..40."""
    return [IDS[canonical(phone)] for phone in phones]
