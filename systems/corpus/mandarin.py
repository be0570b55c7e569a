"""Mandarin text to pinyin, and pinyin to the phoneme alphabet of Kokoro (misaki's: IPA with an arrow for the tone).

Tones are those of the dictionary: a third tone stays third before another, as in the text that Kokoro learned from.
Needs jieba, pypinyin, cn2an and misaki (see `kokoro`).
"""

from __future__ import annotations

import re

from ttsbench.errors import UserError

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = str.maketrans("、，。！？：；（）《》‘’", ",,.!?:;()“”“”")
_GIVEN = re.compile(r"\{([a-z]+[1-5])\}")
_GAINED = frozenset("获得 取得 赢得 难得 所得 求得 夺得 心得 博得".split())
_TONES = {"˧˩˧": "↓", "˧˥": "↗", "˥˩": "↘", "˥": "→"}


def readings(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Words and what stands between them, in order, with a pinyin for each character: ("银行", ("yin2", "hang2")),
    ("。", ()). The neutral tone is 5; digits are read as Mandarin numbers. A reading may be given in braces behind its
    character: 教{jiao1}孩子. UserError where a package is missing.
    """
    try:
        import cn2an
        import jieba
        from pypinyin import Style, lazy_pinyin
    except ImportError as fault:
        raise UserError(f"Mandarin readings need {fault.name}: pip install jieba pypinyin cn2an") from fault
    jieba.setLogLevel(60)
    given = {
        m.start() - sum(len(b[0]) for b in _GIVEN.finditer(text[: m.start()])): m[1] for m in _GIVEN.finditer(text)
    }
    whole = without_readings(text)
    whole = whole if given else cn2an.transform(whole, "an2cn")
    found: list[tuple[str, tuple[str, ...]]] = []
    place = 0
    for part in re.findall(f"[{_HAN}]+|[^{_HAN}]+", whole):
        for word in jieba.cut(part) if re.match(f"[{_HAN}]", part) else [part]:
            pinyin = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
            usual = [_spoken(whole, word, place + at, p) for at, p in enumerate(pinyin)]
            said = tuple(given.get(place + at + 1, p) for at, p in enumerate(usual))
            found.append((word, said if re.match(f"[{_HAN}]", word) else ()))
            place += len(word)
    return found


def without_readings(text: str) -> str:
    """The text as it is written, the readings in braces left out."""
    return _GIVEN.sub("", text)


def _spoken(text: str, word: str, place: int, pinyin: str) -> str:
    """Where the dictionary's first reading is not the spoken one: 谁 shei2, 三只 zhi1, 得 after a verb (跑得) de5."""
    character, before = text[place], text[:place][-1:]
    if character == "谁":
        return "shei2"
    if character == "只" and before and before in "一二两三四五六七八九十百千万几每这那哪":
        return "zhi1"
    if character == "得" and word in (before + "得", "得") and word not in _GAINED:
        return "de5"
    return pinyin


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
    pypinyin's. Empty: both agree on every character. Readings given in braces and those of `_spoken` are not compared.
    """
    from pypinyin import Style, lazy_pinyin

    words = [(word, pinyin) for word, pinyin in readings(text) if pinyin]
    ours = [syllable for _, pinyin in words for syllable in pinyin]
    characters = "".join(word for word, _ in words)
    parts = re.findall(f"[{_HAN}]+", "".join(word for word, _ in readings(text)))
    whole = [s for part in parts for s in lazy_pinyin(part, style=Style.TONE3, neutral_tone_with_five=True)]
    settled = {("谁", "shei2"), ("得", "de5"), ("只", "zhi1")} | set(re.findall(r"(.)\{([a-z]+[1-5])\}", text))
    triples = zip(characters, ours, whole, strict=True)
    return [(c, a, b) for c, a, b in triples if a != b and (c, a) not in settled]
