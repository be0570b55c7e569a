"""Real people's recordings and synthesisers' folders for the corpus: what is kept, cut, warped, and left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ttsbench import testsets
from ttsbench.audio import read_at, write
from ttsbench.cli import main
from ttsbench.errors import UserError
from ttsbench.systems.corpus import build, heard, recordings, tokens
from ttsbench.systems.corpus.align import Aligned, align, cuts, part, plausible
from ttsbench.systems.corpus.clips import SOURCES, Clip, clips, test_only_readers
from ttsbench.systems.corpus.reader import Corpus, shares
from ttsbench.systems.corpus.shards import Utterance, limited
from ttsbench.systems.corpus.sounds import mandarin_sounds, syllables_of
from ttsbench.systems.corpus.voices import speak, voice
from ttsbench.systems.text.frontend import in_both
from ttsbench.systems.text.phones import ENGLISH, MANDARIN

TEXT = "The old man walked down to the harbor. He sat there, and looked at the sea. Then he went home again."
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of every source, one clip each; two in vctk, of which one has no transcript, one in another text."""
    folder = tmp_path_factory.mktemp("data")
    said = speak(TEXT, voice("evan"))[0]
    for source in SOURCES:
        rows = [("one", TEXT)]
        if source.name == "vctk":
            rows += [("untold", ""), ("other", "Something else was written down for this one."), ("rude", "x")]
        for name, _ in rows:
            write(folder / source.folder / f"{source.name}-{name}.flac", said, 16000)
        (folder / source.folder / f"{source.name}-rude.flac").write_bytes(b"no sound")
        lines = [f"{source.name}-{name}.flac\t{source.name}1\t{len(said) / 16000:.2f}\t{text}" for name, text in rows]
        (folder / source.folder / "transcripts.tsv").write_text(
            "file\tspeaker\tseconds\ttext\n" + "\n".join(lines) + "\n"
        )
    return folder


def recognise(waves: list[np.ndarray], language: str) -> list[str]:
    return [TEXT if language == "en" else "你好" for _ in waves]


@needs_flite
def test_a_corpus_of_people(data: Path, tmp_path: Path) -> None:
    build.build(tmp_path, hours=0, real=data, workers=1, recognise=recognise)
    made = Corpus(tmp_path)
    vctk = [u for u in made.utterances if u.source == "vctk"]
    told = [u for u in vctk if u.phones]
    assert {u.text for u in vctk if not u.phones} == {""}  # without a transcript: for codecs
    assert len({u.speaker for u in told}) == 2 and any("~" in u.speaker for u in told)  # one warp of the speaker
    pieces = [u for u in told if "~" not in u.speaker]
    assert len(pieces) >= 2 and all(u.phones[0] == u.phones[-1] == "pau" for u in pieces)
    assert " ".join(u.text for u in pieces).split() == TEXT.lower().replace(".", "").replace(",", "").split()
    assert all(abs(u.ends[-1] - u.frames / 100) < 0.03 for u in told)
    factor = recordings.warp_of("vctk1")
    second = next(u for u in told if u.speaker == f"vctk1~{factor:.2f}" and ".0~" in u.id)
    assert second.frames == pytest.approx(pieces[0].frames / factor, abs=2) and second.phones == pieces[0].phones
    assert not any("~" in u.speaker for u in made.utterances if u.source == "learners")
    card = (tmp_path / "card.md").read_text()
    assert "| vctk | the recogniser hears something else | 1 |" in card and "| vctk | unreadable | 1 |" in card
    assert "| aishell | the recogniser hears something else | 1 |" in card and "\n| kathleen | en | 2 |" in card


@needs_flite
def test_what_was_heard_is_not_heard_again(data: Path, tmp_path: Path) -> None:
    found = clips(data)
    heard.listen(found[:3], tmp_path / "heard.jsonl", recognise, lambda _: None)
    with (tmp_path / "heard.jsonl").open("a") as handle:
        handle.write('{"id": "cut o')  # killed here

    def once(waves: list[np.ndarray], language: str) -> list[str]:
        asked.extend(waves)
        return ["anything" for _ in waves]

    asked: list[np.ndarray] = []
    every = heard.listen(found, tmp_path / "heard.jsonl", once, lambda _: None)
    readable = [clip for clip in found if clip.text and "rude" not in clip.id]
    assert len(asked) == len(readable) - 3 and len(every) == len(readable)
    assert heard.kept(tmp_path / "heard.jsonl") == every


def test_readers_and_sentences_of_test_sets_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"ls1089", "ls1688", "ls8555"} <= test_only_readers() and "ls19" not in test_only_readers()
    row = testsets.load("seed-mini").samples[0]
    clip = Clip("x", row.prompt or Path(), "s", "vctk", "en", row.text)
    dropped = list(recordings.recorded([clip], {"x": row.text}, build.test_sentences()))
    assert [d.why for d in dropped if isinstance(d, recordings.Dropped)] == ["a sentence of a test set"]
    monkeypatch.setattr(build, "clips", lambda _: [Clip("y", Path(), "ls1089", "librispeech", "en", "Hello.")])
    with pytest.raises(UserError, match="ls1089"):
        build.of_people(Path(), Path(), recognise, lambda _: None)


def test_what_the_recogniser_heard_is_compared_as_phones() -> None:
    assert recordings.misheard("We sold 3 books.", "we sold three books", "vctk") == ""
    assert recordings.misheard("设定二十九度", "设定29度", "aishell") == ""
    assert (
        recordings.misheard("We sold 3 books.", "It was raining all day", "vctk")
        == "the recogniser hears something else"
    )
    long = "the old man walked down to the harbor and looked at the grey sea for a long time"
    assert recordings.misheard(long, f"said the captain {long}", "vctk") == "the recogniser misses or adds words"


def test_clips_are_cut_in_their_longest_pauses() -> None:
    phones = [("pau", 0.2), ("aa", 2.0), ("pau", 2.2), ("b", 4.0), ("pau", 4.4), ("iy", 6.0), ("pau", 6.2)]
    assert cuts(phones) == [pytest.approx(4.2)]
    assert cuts(phones[:4]) == []
    whole = Aligned((("ah", 0.2, 2.0), ("bee", 2.2, 6.0)), phones)
    assert part(whole, 0.0, 2.1).phones == [("pau", 0.2), ("aa", 2.0), ("pau", 2.1)]
    after = part(whole, 2.1, 6.2)
    assert after.words == (("bee", pytest.approx(0.1), pytest.approx(3.9)),) and after.phones[0] == (
        "pau",
        pytest.approx(0.1),
    )


def test_phones_that_are_too_short_or_long_do_not_fit() -> None:
    assert plausible([("pau", 0.5), ("aa", 0.6), ("b", 0.68), ("pau", 3.0)])
    assert not plausible([("aa", 0.03), ("b", 0.06), ("d", 0.09)]) and not plausible([("pau", 1.0)])
    assert not plausible([("aa", 0.1), ("b", 1.4), ("d", 1.5)])


def test_every_mandarin_phone_has_sounds_that_the_aligner_knows() -> None:
    for phone in MANDARIN:
        for initial in ("b-", "zh-", "s-", ""):
            assert all(sound.lower() in ENGLISH for sound in mandarin_sounds(phone, initial).split())
    assert syllables_of(in_both("你好啊。")) == [("n-", "i-3"), ("h-", "ao-3"), ("a-5",)]
    assert syllables_of(in_both("你好 Anna")) is None


def test_mandarin_is_aligned_with_english_models() -> None:
    row = next(s for s in testsets.load("seed-mini-zh").samples if s.truth and "员工" in s.text)
    assert row.truth
    samples = read_at(row.truth, 16000)
    found = align(samples, row.text, "zh")
    assert found and plausible(found.phones)
    assert [p for p, _ in found.phones if p != "pau"] == [p for p in in_both(row.text) if p != "pau"]
    assert [e for _, e in found.phones] == sorted(e for _, e in found.phones) and len(found.words) == len(
        [p for p in in_both(row.text) if p[-1] in "12345"]
    )
    assert align(samples, "Hello there.", "zh") is None
    clip = Clip("x", Path(), "s", "aishell", "zh", row.text)
    half = part(found, 0.0, found.words[3][1])
    assert recordings._text(clip, found, half, 0) == "".join(c for c in row.text if c > "\u3400")[:3]


def test_phones_of_kokoros_characters() -> None:
    said = " ðə bˈɜɹd, ˌAt. "
    ends = np.arange(1, len(said) + 1) * 0.1
    assert " ".join(p for p, _ in tokens.english(said, list(ends))) == "pau dh ah pau b er d pau ey t pau"
    short = list(np.cumsum([0.05 if c == " " else 0.1 for c in said]))
    marks = tokens.english(said, short)
    assert [p for p, _ in marks][:4] == ["pau", "dh", "ah", "b"]
    assert marks[-1] == ("pau", pytest.approx(short[-1]))
    assert tokens.english(" xβ ", [0.1, 0.2, 0.3, 0.4]) == []


def test_mandarin_characters_are_matched_to_the_texts_phones() -> None:
    said = " wo↓ ʨʰy↘ i↗nxa↗ŋ, xau↓ ma? "
    marks = tokens.mandarin(said, [0.1 * n for n in range(1, len(said) + 1)], in_both("我去银行，好吗？"))
    assert [p for p, _ in marks if p != "pau"] == [p for p in in_both("我去银行，好吗？") if p != "pau"]
    assert marks[0][0] == marks[-1][0] == "pau" and [e for _, e in marks] == sorted(e for _, e in marks)
    assert tokens.mandarin(said, [0.1 * n for n in range(1, len(said) + 1)], in_both("我去银，好吗？")) == []


@needs_flite
def test_a_folder_of_synthetic_speech_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROWS", 2)
    given, rows = tmp_path / "kokoro", []
    for n in range(3):
        write(given / "wavs" / f"k{n}.flac", np.random.default_rng(n).normal(0, 0.1, 16000).astype(np.float32), 16000)
        row = {"id": f"k{n}", "language": "en", "voice": "af_heart", "text": "Hi.", "seconds": 1.0}
        rows.append(json.dumps(row | {"tokens": " hˈI ", "ends": [0.2, 0.4, 0.5, 0.8, 1.0]}) + "\n")
    (given / "manifest.jsonl").write_text("".join(rows[:1]))
    out = tmp_path / "corpus"
    assert build.build(out, hours=0, synthesised=(given,), workers=1) == 1
    (given / "manifest.jsonl").write_text("".join(rows))
    words = ["train", "corpus", "--spoken", str(given), "--out", str(out), "--hours", "0", "--workers", "1"]
    assert main(words) == 0 and len(Corpus(out).utterances) == 3
    assert sorted(p.name for p in out.glob("shard-*.jsonl")) == [
        "shard-kokoro-000.of2.jsonl",
        "shard-kokoro-001.of1.jsonl",
    ]
    assert {u.phones for u in Corpus(out).utterances} == {("pau", "hh", "ay", "pau")}
    (given / "manifest.jsonl").write_text(rows[0].replace("af_heart", "af_sarah"))
    with pytest.raises(UserError, match="kept for testing"):
        build.build(tmp_path / "other", hours=0, synthesised=(given,), workers=1)
    with pytest.raises(UserError, match="name the folder"):
        build.build(tmp_path / "other", hours=0, synthesised=(tmp_path,), workers=1)


def of(source: str, hours: float) -> Iterator[Utterance]:
    for n in range(round(hours * 100)):
        yield Utterance(f"{source}{n}", "s", 0, 3600, f"p{n % 7}", source, "train", "", (), ())


def test_accented_adults_and_flite_are_few() -> None:
    pools = {source: list(of(source, hours)) for source, hours in (("vctk", 1), ("learners", 4), ("flite", 9))}
    learners, flite = shares(pools)[1:]
    assert learners == pytest.approx(0.2) and flite < 0.1
    rows = [dict(vars(u)) for pool in pools.values() for u in pool]
    kept, dropped = limited(rows)
    frames = {source: sum(r["frames"] for r in kept if r["source"] == source) for source in pools}
    assert 0.19 < frames["learners"] / sum(frames.values()) <= 0.2 and frames["flite"] / sum(frames.values()) < 0.1
    assert {why for _, why, _, _ in dropped} == {"more than 20% of the corpus", "more than 10% of the corpus"}
    assert sum(count for _, _, count, _ in dropped) == len(rows) - len(kept)
    alone, _ = limited([row for row in rows if row["source"] == "flite"])
    assert len(alone) == 900
