"""Mandarin phones as the English sounds nearest to them: an aligner that knows English alone can place them."""

from __future__ import annotations

from ttsbench.systems.text.phones import PAUSE

_INITIALS = {"z": "D Z", "c": "T S", "zh": "JH", "ch": "CH", "j": "JH", "q": "CH", "x": "SH", "h": "HH"}
_FINALS = {
    "a": "AA", "o": "AO", "e": "AH", "ê": "EH", "ai": "AY", "ei": "EY", "ao": "AW", "ou": "OW", "an": "AA N",
    "en": "AH N", "ang": "AA NG", "eng": "AH NG", "ong": "UH NG", "er": "AA R", "i": "IY", "ia": "Y AA", "ie": "Y EH",
    "iao": "Y AW", "iou": "Y OW", "ian": "Y EH N", "in": "IH N", "iang": "Y AA NG", "ing": "IH NG", "iong": "Y UH NG",
    "u": "UW", "ua": "W AA", "uo": "W AO", "uai": "W AY", "uei": "W EY", "uan": "W AA N", "uen": "W AH N",
    "uang": "W AA NG", "ueng": "W AH NG", "v": "Y UW", "ve": "Y EH", "van": "Y EH N", "vn": "Y IH N",
}  # fmt: skip
_BUZZED = ("zh-", "ch-", "sh-", "r-")  # behind them "i" is a buzzed vowel; behind z, c, s another
_HISSED = ("z-", "c-", "s-")


def mandarin_sounds(phone: str, initial: str) -> str:
    """The phone in the CMU dictionary's sounds, one or more; `initial`: that of its syllable."""
    name = phone.split("-")[0]
    if phone.endswith("-"):
        return _INITIALS.get(name, name.upper())
    if name == "i" and initial in (*_BUZZED, *_HISSED):
        return "ER" if initial in _BUZZED else "IH"
    return _FINALS[name]


def syllables_of(phones: list[str]) -> list[tuple[str, ...]] | None:
    """Phones of a text as syllables, (initial, final) or (final,), pauses left out; None where any is not Mandarin."""
    syllables: list[tuple[str, ...]] = []
    initial = ""
    for phone in phones:
        if phone == PAUSE:
            continue
        if "-" not in phone:
            return None
        if phone.endswith("-"):
            initial = phone
        else:
            syllables.append((initial, phone) if initial else (phone,))
            initial = ""
    return syllables
