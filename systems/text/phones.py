"""The phone set of the small systems, one for both languages.

English: the 39 phones of the CMU dictionary, without stress. Mandarin: the initials of pinyin ("zh-") and its finals
with their tones ("ang-1"; written in full: "iou", "uen", "van"). A pause. The English ones come first, so a
checkpoint that knows English alone has the first `len(ENGLISH)` of them.
"""

from __future__ import annotations

PAUSE = "pau"
ENGLISH: tuple[str, ...] = (
    "<pad>",
    PAUSE,
    *"aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh".split(),
)
INITIALS: tuple[str, ...] = tuple("b p m f d t n l g k h j q x zh ch sh r z c s".split())
FINALS: tuple[str, ...] = tuple(
    "a o e ê ai ei ao ou an en ang eng ong er i ia ie iao iou ian in iang ing iong "
    "u ua uo uai uei uan uen uang ueng v ve van vn".split()
)
TONES = (1, 2, 3, 4, 5)  # 5: the neutral tone
MANDARIN: tuple[str, ...] = (
    *(f"{initial}-" for initial in INITIALS),
    *(f"{final}-{tone}" for final in FINALS for tone in TONES),
)
PHONES: tuple[str, ...] = ENGLISH + MANDARIN
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
    otherwise. A Mandarin phone stays as it is.
    """
    if phone in IDS:
        return phone
    name = phone.lower().strip("<>+").rstrip("012")
    name = _ALIASES.get(name, name)
    if name in {"spn", "nsn", "s", "/s"} and phone.strip("<>+") != phone:
        name = PAUSE
    if name not in IDS:
        raise KeyError(f"phone {phone!r} is not one of {' '.join(ENGLISH[1:])}, nor a Mandarin one")
    return name


def to_ids(phones: list[str]) -> list[int]:
    """Numbers for the model, 1 to 40 for English."""
    return [IDS[canonical(phone)] for phone in phones]
