"""Natural synthetic speech: voices kept for testing are refused, Mandarin readings, what a missing package tells."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from ttsbench import testsets
from ttsbench.errors import UserError
from ttsbench.systems.corpus import kokoro, mandarin, natural
from ttsbench.systems.corpus.sentences_zh import generated_zh

ENGLISH = "af_heart af_bella af_nova af_sky am_adam am_echo am_fenrir am_liam bf_emma bf_lily bm_daniel bm_fable"
MANDARIN = "zf_xiaobei zf_xiaoxiao zm_yunjian zm_yunxi"
NAMES = sorted(kokoro.test_only() | {*ENGLISH.split(), *MANDARIN.split(), "ff_siwis"})


def test_a_blend_is_shares_that_sum_to_one() -> None:
    assert kokoro.parse_voice("af_heart") == {"af_heart": 1.0}
    assert kokoro.parse_voice("af_heart:3+bm_lewis:1") == {"af_heart": 0.75, "bm_lewis": 0.25}
    for wrong in ("", "heart", "af_heart:", "af_heart:0", "af_heart:-1", "af_heart:inf", "af_heart+../x:1"):
        with pytest.raises(UserError, match="NAME"):
            kokoro.parse_voice(wrong)


@pytest.mark.parametrize("spec", ["af_sarah", "af_heart:2+zm_yunyang:1"])
def test_training_refuses_voices_kept_for_testing_alone_and_in_blends(spec: str) -> None:
    with pytest.raises(UserError, match="kept for testing"):
        kokoro.refuse_test_only(spec)
    kokoro.refuse_test_only("af_heart:2+zm_yunxi:1")


def test_enough_voices_of_every_kind_are_kept_for_testing() -> None:
    kinds = [name[:2] for name in kokoro.test_only()]
    assert sum(kind[0] in "ab" for kind in kinds) >= 8 and sum(kind[0] == "z" for kind in kinds) >= 3
    assert set(kinds) == {"af", "am", "bf", "bm", "zf", "zm"}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan of few sentences: the whole one takes seconds to put together."""
    said = [f"The {thing} is {kind} today." for thing in ("sky", "lake", "road", "soup") for kind in range(30)]
    monkeypatch.setattr(natural, "quotations", lambda known: said)
    monkeypatch.setattr(natural, "generated", lambda rng, count: [f"We saw {count} {n} birds." for n in range(9)])
    monkeypatch.setattr(natural, "generated_zh", lambda rng, count: generated_zh(rng, 50))


def test_the_plan_uses_no_voice_and_no_sentence_of_a_test_set(few: None) -> None:
    texts = {natural.plain(s.text) for s in testsets.load("seed-mini").samples}
    assert texts <= natural.test_sentences()
    jobs = list(itertools.islice(natural.plan(NAMES), 90))
    assert {language for language, *_ in jobs} == {"en", "zh"}
    for language, voice, text, speed in jobs:
        kokoro.refuse_test_only(voice)
        assert all(name[0] in ("zab" if language == "zh" else "ab") for name in kokoro.parse_voice(voice))
        assert 0.9 <= speed <= 1.15 and natural.plain(text) not in texts


def test_a_sentence_of_a_test_set_is_left_out_of_the_plan(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [text for _, _, text, _ in itertools.islice(natural.plan(NAMES), 3)]
    monkeypatch.setattr(natural, "test_sentences", lambda: frozenset(natural.plain(text) for text in first))
    again = {text for _, _, text, _ in itertools.islice(natural.plan(NAMES), 60)}
    assert not again & set(first)


def test_generated_mandarin_is_varied_and_complete() -> None:
    said = generated_zh(np.random.default_rng(3), 500)
    assert len(set(said)) == 500 and not any("{" in text for text in said)
    assert len({character for text in said for character in text}) > 400


def test_other_voices_than_the_published_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "af_heart.bin").write_bytes(b"0000")
    with pytest.raises(UserError, match="kokoro-js"):
        kokoro.Kokoro(tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    with pytest.raises(UserError, match="jieba"):
        mandarin.readings("你好。")


def test_a_killed_manifest_loses_its_unfinished_line_only(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n{"id": ', encoding="utf-8")
    assert [row["id"] for row in natural.whole_rows(tmp_path / "m.jsonl")] == ["a", "b"]
    assert (tmp_path / "m.jsonl").read_text(encoding="utf-8") == '{"id": "a"}\n{"id": "b"}\n'


def test_mandarin_readings_follow_words_and_what_is_given_by_hand() -> None:
    for package in ("jieba", "pypinyin", "cn2an"):
        pytest.importorskip(package)

    def said(text: str) -> str:
        return " ".join(pinyin for _, pinyins in mandarin.readings(text) for pinyin in pinyins)

    assert said("行长去银行。") == "hang2 zhang3 qu4 yin2 hang2"
    assert said("三只猫只吃鱼。") == "san1 zhi1 mao1 zhi3 chi1 yu2"
    assert said("他教{jiao1}我，跑得很快。") == "ta1 jiao1 wo3 pao3 de5 hen3 kuai4"
    assert said("一共15人") == "yi1 gong4 shi2 wu3 ren2"
    assert mandarin.without_readings("他教{jiao1}我") == "他教我"
    assert mandarin.differences("孩子们在操场上踢足球。") == []


def test_mandarin_phonemes_are_those_of_misaki() -> None:
    for package in ("jieba", "pypinyin", "cn2an", "misaki", "ordered_set"):
        pytest.importorskip(package)
    assert mandarin.phonemes("我去银行，好吗？") == "wo↓ ʨʰy↘ i↗nxa↗ŋ, xau↓ ma?"
