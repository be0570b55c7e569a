import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench.audio import read, write
from ttsbench.cli import main
from ttsbench.systems.codecs.mel_codec import build as build_codec
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.corpus.align import align, without_gaps
from ttsbench.systems.corpus.build import build, plan, transcribed
from ttsbench.systems.corpus.held_out import write_held_out
from ttsbench.systems.corpus.reader import Corpus, segments
from ttsbench.systems.corpus.sentences import generated, quotations
from ttsbench.systems.corpus.voices import VOICES, distance, speak, voice
from ttsbench.systems.nn.mel import log_mel
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.training.data import TtsBatches, durations, encode_corpus, speaker_shares

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Forty seconds of synthetic speech in three splits, and one transcribed recording."""
    folder = tmp_path_factory.mktemp("corpus")
    said, _ = speak("We were away a year ago.", voice("evan"))
    write(folder / "real" / "spk1_a.wav", said, 16000)
    (folder / "real" / "spk1_a.normalized.txt").write_text("We were away a year ago.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "ttsbench.systems.corpus.build.plan", lambda hours, seed: plan(0.02, seed)[:2] + plan(0.02, seed)[-14:]
        )
        build(folder / "corpus", libritts=folder / "real", workers=1)
    return Corpus(folder / "corpus")


def test_plan_keeps_sentences_and_voices_apart() -> None:
    jobs = plan(1.0, 0)
    said = {split: {text for _, s, text, _ in jobs if s == split} for split in ("train", "dev", "test")}
    assert not said["train"] & (said["dev"] | said["test"]) and len(said["train"]) > 1000
    tested = [v for v in VOICES if v.test_only]
    for _, split, _, used in jobs:
        assert (used in tested) == (split == "test")
        assert split == "test" or all(distance(used, v) >= 1 for v in tested)


def test_sentences_are_plain(tmp_path: Path) -> None:
    (tmp_path / "wisdom").write_text(
        "The cat sat on the mat.  A DOG barked!\n\t\t-- Nobody\n%\nIt cost 3 dollars.\n%\nCats sit zxqv.\n"
    )
    known = frozenset("the cat sat on mat a dog barked cats sit it cost dollars".split())
    assert quotations(known, tmp_path) == ["The cat sat on the mat."]
    made = generated(np.random.default_rng(0), 50)
    assert len(set(made)) == 50 and not any(c.isdigit() for s in made for c in s)


def test_what_is_stored_fits_together(corpus: Corpus) -> None:
    assert {u.split for u in corpus.utterances} == {"train", "dev"} and len(corpus.utterances) == 17
    for u in corpus.utterances:
        mel, audio = corpus.mel(u), corpus.audio(u)
        assert mel.shape == (u.frames, 100) and audio.shape == (u.frames * 160,)
        assert u.phones[0] == "pau" and abs(u.ends[-1] - u.frames / 100) < 0.02
        again = log_mel(torch.from_numpy(audio)[None])[0].numpy()
        assert np.abs(again - mel)[:, :60].mean() < 0.02
    real = [u for u in corpus.utterances if u.source == "libritts"]
    assert [u.speaker for u in real] == ["tts-spk1"] and "".join(real[0].phones).startswith("pauwiy")


def test_a_second_build_makes_nothing_again(corpus: Corpus) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in corpus.folder.glob("shard-*")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttsbench.systems.corpus.build.plan", lambda hours, seed: plan(0.02, seed)[:1])
        assert build(corpus.folder, workers=1) == 17
    assert before == {p.name: p.stat().st_mtime_ns for p in corpus.folder.glob("shard-*")}


def test_alignment_finds_where_words_are() -> None:
    said, phones = speak("The old man walked down to the harbor.", voice("evan"))
    found = align(said, "The old man walked down to the harbor.")
    assert found and [word for word, _, _ in found.words] == "the old man walked down to the harbor".split()
    truth = dict(zip([p for p, _ in phones], [e for _, e in phones], strict=False))
    at = dict(found.phones)
    assert abs(at["m"] - truth["m"]) < 0.08 and abs(at["aa"] - truth["aa"]) < 0.08
    assert align(said, "你好") is None and align(said, "...") is None
    unknown = align(said, "The old man zalked down to the harbor.")  # in no dictionary
    assert unknown and unknown.words[3][0] == "zalked"


def test_an_alignment_does_not_depend_on_what_was_aligned_before() -> None:
    text = "The old farmer walked slowly to the river."
    said = speak(text, voice("carl"))[0]
    first = align(said, text)
    align(np.random.default_rng(0).normal(0, 0.3, 48000).astype(np.float32), "We were away a year ago.")
    assert first and align(said, text) == first


def test_gaps_become_pauses() -> None:
    phones = [("n", 0.1, 0.2), ("pau", 0.2, 0.3), ("ao", 0.5, 0.6)]
    assert without_gaps(phones, 0.9) == [("pau", 0.1), ("n", 0.2), ("pau", 0.5), ("ao", 0.6), ("pau", 0.9)]


def test_segments_are_drawn_from_the_step(corpus: Corpus) -> None:
    at = segments(corpus, "train", 4, 64, seed=3)
    mel, audio = at(5)
    assert mel.shape == (4, 64, 100) and audio.shape == (4, 64 * 160)
    assert torch.equal(mel, at(5)[0]) and not torch.equal(mel, at(6)[0])


def test_batches_of_codes_phones_and_prompts(corpus: Corpus) -> None:
    torch.manual_seed(0)
    codec = SmallCodec("fsq", build_codec("fsq").eval(), Vocoder(32, 64, 3))
    with pytest.raises(FileNotFoundError, match="encode the corpus first"):
        TtsBatches(corpus, "fsq", 50.0)
    encode_corpus(corpus, codec)
    batches = TtsBatches(corpus, "fsq", 50.0, frames=600, short_first=3)
    seen: set[str] = set()
    for step in range(3, 3 + 2 * batches.steps_per_epoch):
        batch = batches(step)
        seen |= set(batch.ids)
        assert torch.equal(batch.durations.sum(1), batch.lengths)
        assert batch.target.shape[2] == batch.prompt.shape[2] == 24 and batch.prompt.shape[1] <= 150
        assert ((batch.phones > 0).sum(1) == batch.phone_lengths).all()
    assert seen and all(torch.equal(a, b) for a, b in zip(batches(1).prompt, batches(1).prompt, strict=True))
    u = corpus.select("train", phones=True)[0]
    mel = torch.from_numpy(corpus.mel(u))[None]
    # padding behind an utterance reaches back through the encoder's look-ahead only
    torch.testing.assert_close(batches.of(u)[:-20], codec.encode_mel(mel)[0, : u.frames // 2][:-20])
    spans = durations(u, 12.5, 40)
    assert spans.sum() == 40 and (spans >= 0).all()


def test_recordings_alone_make_a_corpus(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "LibriTTS" / "train-clean-100" / "84" / "121123"
    for number, text in enumerate(("We were away a year ago.", "Call zxqv at 3.")):
        write(folder / f"84_121123_{number}.wav", speak("We were away a year ago.", voice("evan"))[0], 16000)
        (folder / f"84_121123_{number}.normalized.txt").write_text(text)
    (folder / "84_121123_2.wav").write_bytes(b"no sound")
    (folder / "84_121123_2.txt").write_text("Broken.")
    words = ["train", "corpus", "--libritts", str(tmp_path / "LibriTTS"), "--out", str(tmp_path / "corpus")]
    assert main([*words, "--hours", "0", "--workers", "1"]) == 0
    assert "left out" in capfd.readouterr().err
    made = Corpus(tmp_path / "corpus")
    assert [(u.source, u.speaker, u.split, bool(u.phones)) for u in made.utterances] == [
        ("libritts", "tts-84", "dev", True), ("libritts", "tts-84", "train", False)
    ]  # fmt: skip
    assert made.many("train") is None
    assert main(["train", "corpus", "--hours", "0", "--out", str(tmp_path / "none")]) == 1
    assert "nothing to make a corpus of" in capfd.readouterr().err


def test_held_out_recordings_are_a_folder_that_the_harness_reads(corpus: Corpus, tmp_path: Path) -> None:
    assert write_held_out(corpus.folder, tmp_path, "dev") == 3
    rows = [line.split("\t") for line in (tmp_path / "transcripts.tsv").read_text().splitlines()[1:]]
    for u, (key, _, text) in zip(corpus.select("dev"), rows, strict=True):
        samples, rate = read(tmp_path / u.speaker / f"{key}.flac")
        assert (key, text, rate, len(samples)) == (u.id, u.text, 16000, u.frames * 160)
    with pytest.raises(ValueError, match="split 'test'"):
        write_held_out(corpus.folder, tmp_path)


def test_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ttsbench train corpus"):
        Corpus(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
    with pytest.raises(ValueError, match="line 1: not an utterance"):
        Corpus(tmp_path)
    with pytest.raises(ValueError, match="no recording"):
        transcribed(tmp_path)
    with pytest.raises(ValueError, match="no folder librispeech"):
        build(tmp_path / "c", hours=0, real=tmp_path, recognise=lambda waves, language: [])


def test_people_who_say_little_are_not_outweighed_by_those_who_say_much() -> None:
    speakers, lengths = ["much"] * 90 + ["little"] * 10 + ["long", "long"], [100] * 100 + [300, 100]
    shares = speaker_shares(speakers, lengths)
    of = {name: shares[[s == name for s in speakers]].sum() for name in ("much", "little", "long")}
    assert shares.sum() == pytest.approx(1)
    assert of["much"] / of["little"] == pytest.approx(3), "the square root of nine times as much"
    assert shares[-2] / shares[-1] == pytest.approx(3), "longer ones more often"
