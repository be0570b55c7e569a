"""Mandarin text to pinyin, and pinyin to the phoneme alphabet of Kokoro (misaki's: IPA with an arrow for the tone).

Tones are those of the dictionary: a third tone stays third before another, as in the text that Kokoro learned from.
Needs jieba, pypinyin, cn2an and misaki (see `kokoro`).
"""

from __future__ import annotations

import re

from ttsbench.errors import UserError

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = str.maketrans("、，。！？：；（）《》‘’", ",,.!?:;()“”“”")
_TONES = {"˧˩˧": "↓", "˧˥": "↗", "˥˩": "↘", "˥": "→"}


def readings(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Words and what stands between them, in order, with a pinyin for each character: ("银行", ("yin2", "hang2")),
    ("。", ()). The neutral tone is 5; digits are read as Mandarin numbers. UserError where a package is missing.
    """
    try:
        import cn2an
        import jieba
        from pypinyin import Style, lazy_pinyin
    except ImportError as fault:
        raise UserError(f"Mandarin readings need {fault.name}: pip install jieba pypinyin cn2an") from fault
    jieba.setLogLevel(60)
    found: list[tuple[str, tuple[str, ...]]] = []
    for part in re.findall(f"[{_HAN}]+|[^{_HAN}]+", cn2an.transform(text, "an2cn")):
        if not re.match(f"[{_HAN}]", part):
            found.append((part, ()))
            continue
        for word in jieba.cut(part):
            found.append((word, tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True))))
    return found


def phonemes(text: str) -> str:
    """Kokoro's phonemes of a Mandarin text: words apart, punctuation kept. UserError where misaki is missing."""
    said = ""
    for word, pinyin in readings(text):
        if pinyin:
            said += ("" if not said or said[-1] == " " else " ") + "".join(map(syllable, pinyin))
        else:
            said = said.rstrip() + word.translate(_MARKS) + " "
    return " ".join(said.split())


def syllable(pinyin: str) -> str:
    """`hang2` as `xɑŋ↗`; `?` where misaki knows no such syllable."""
    try:
        from misaki.transcription import pinyin_to_ipa
    except ImportError as fault:
        raise UserError(f"Mandarin phonemes need {fault.name}: pip install misaki==0.9.4 ordered-set") from fault
    try:
        ipa = "".join(next(iter(pinyin_to_ipa(pinyin))))
    except (ValueError, KeyError, StopIteration):
        return "?"
    for tone, arrow in _TONES.items():
        ipa = ipa.replace(tone, arrow)
    return ipa.replace("ɻ̩", "ɨ").replace("ɹ̩", "ɨ").replace("̯", "")


def differences(text: str) -> list[tuple[str, str, str]]:
    """Characters whose reading in `readings` differs from pypinyin's reading of the whole sentence: character, ours,
    pypinyin's. Empty: both agree on every character."""
    from pypinyin import Style, lazy_pinyin

    words = [(word, pinyin) for word, pinyin in readings(text) if pinyin]
    ours = [syllable for _, pinyin in words for syllable in pinyin]
    characters = "".join(word for word, _ in words)
    parts = re.findall(f"[{_HAN}]+", "".join(word for word, _ in readings(text)))
    whole = [s for part in parts for s in lazy_pinyin(part, style=Style.TONE3, neutral_tone_with_five=True)]
    return [(c, a, b) for c, a, b in zip(characters, ours, whole, strict=True) if a != b]
