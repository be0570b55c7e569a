"""LiveSpeech as a system: chunks leave early, streamed equals offline, prompts, continuations, long texts, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench import audio
from ttsbench.records import Resynthesizer, Sample
from ttsbench.records import System as Speaks
from ttsbench.systems.codecs.mel_codec import build
from ttsbench.systems.livespeech import layout, text
from ttsbench.systems.livespeech.design import SMALL
from ttsbench.systems.livespeech.generate import Sampling, frames
from ttsbench.systems.livespeech.model import LiveSpeech, save
from ttsbench.systems.livespeech.system import AHEAD, System, chunked, tail, without_silence
from ttsbench.systems.nn.transformer import Watch
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.text import passages
from ttsbench.systems.training.trainer import export

TINY = dataclasses.replace(
    SMALL, dim=32, heads=2, hidden=48, shared_layers=2, enrolled=3, encoder_dim=16, encoder_layers=1, encoder_heads=2,
    encoder_hidden=16, text_layers=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of untrained models: they speak noise, but by the same rules."""
    torch.manual_seed(0)
    where = tmp_path_factory.mktemp("checkpoints")
    save(LiveSpeech(TINY), where / "livespeech.safetensors")
    export(build("fsq").state_dict(), where / "codec-fsq.safetensors", half=True)
    export(Vocoder().state_dict(), where / "vocoder.safetensors", half=True)
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(32000) / 20) * 0.2 + rng.normal(0, 0.05, 32000)
    audio.write(where / "prompt.wav", tone.astype(np.float32), 16000)
    return where


@pytest.fixture(scope="module")
def system(folder: Path) -> System:
    return System(folder, Sampling(temperature=0.8, sampled=8, fastest=0.1))


@pytest.fixture
def sample(folder: Path) -> Sample:
    return Sample("a", "Hello there.", prompt=folder / "prompt.wav")


def test_it_is_a_system_with_a_card(system: System) -> None:
    assert isinstance(system, Speaks)
    assert isinstance(system, Resynthesizer)
    assert system.card.streaming
    assert system.card.sample_rate == 16000
    assert (system.card.parameters or 0) > sum(p.numel() for p in system.model.parameters())


def test_streamed_audio_equals_the_offline_decoding_of_the_same_frames(system: System, sample: Sample) -> None:
    symbols = text.symbols_of(sample.text)
    enrollment, _ = system._voice(sample.prompt, whole=False)  # type: ignore[arg-type]
    pieces = list(system._speak(sample.text, enrollment, None, torch.Generator().manual_seed(3)))
    memory = system.model.join(enrollment, torch.tensor([symbols]))
    made = frames(system.model, memory, len(symbols), system.sampling, torch.Generator().manual_seed(3))
    codes = torch.stack(list(made))
    offline = system.codec.decode(layout.unpack(codes)[None])[0].numpy()
    assert len(pieces) > 3
    streamed = np.concatenate(pieces)
    assert streamed.shape == offline.shape
    np.testing.assert_allclose(streamed, offline, atol=1e-4)


def test_audio_leaves_while_later_frames_are_still_to_come(system: System, sample: Sample) -> None:
    steps: list[int] = []
    original = system.model.forward

    def counting(*args: object, **kwargs: object) -> torch.Tensor:
        steps.append(1)
        return original(*args, **kwargs)  # type: ignore[arg-type]

    system.model.forward = counting  # type: ignore[method-assign,assignment]
    try:
        enrollment, _ = system._voice(sample.prompt, whole=False)  # type: ignore[arg-type]
        stream = system._speak(sample.text, enrollment, None, torch.Generator().manual_seed(0))
        next(stream)
        early = len(steps)
        list(stream)
    finally:
        system.model.forward = original  # type: ignore[method-assign]
    assert early <= layout_steps(4)
    assert len(steps) > 2 * early


def layout_steps(frames: int) -> int:
    """Model steps until so many frames are complete: one each, and the delay."""
    return frames + len(layout.SIZES) - 1


def test_a_sample_is_spoken_the_same_way_twice_and_differently_by_seed(system: System, sample: Sample) -> None:
    one, again, other = (np.concatenate(list(system.synthesize(sample, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert len(one) != len(other) or not np.array_equal(one, other)
    assert np.isfinite(audio.check(one)).all()


def test_a_continuation_goes_on_from_the_prompts_codes(system: System, sample: Sample) -> None:
    task = dataclasses.replace(sample, task="continuation", prompt_text="Well.", prompt_seconds=2.0)
    _, codes = system._voice(task.prompt, whole=True)  # type: ignore[arg-type]
    assert len(codes) in range(90, 101)
    made = np.concatenate(list(system.synthesize(task, 0)))
    symbols = text.symbols_of("Well. Hello there.")
    _, most = system.sampling.bounds(len(symbols), 50.0)
    assert 0 < len(made) <= (max(most, len(codes) + 1) - len(codes)) * system.codec.hop
    assert len(made) % system.codec.hop == 0


def test_words_are_spoken_while_later_ones_are_still_to_come(system: System, sample: Sample) -> None:
    asked: list[str] = []

    def words() -> Iterator[str]:
        for word in "The first clause is here, and the second comes later.".split():
            asked.append(word)
            yield word

    assert sample.prompt is not None
    stream = system.synthesize_words(words(), sample.prompt, seed=0)
    assert len(next(stream)) > 0
    assert asked[-1] == "here,"
    list(stream)
    assert asked[-1] == "later."
    assert list(text.clauses("One two. three four five six".split(), most=5)) == ["One two. three four five", "six"]


def test_a_prompt_with_a_transcript_goes_before_as_history(system: System, sample: Sample) -> None:
    given: list[tuple[str, str, bool]] = []
    original = system._speak

    def listening(text: str, _: object, history: torch.Tensor | None, __: object, told: str = ""):  # type: ignore[no-untyped-def]
        given.append((told, text, history is not None))
        return iter([np.ones(320, np.float32)])

    system._speak = listening  # type: ignore[method-assign]
    try:
        for prompt_text in ("", "Well.", "Well, " * 60):
            list(system.synthesize(dataclasses.replace(sample, prompt_text=prompt_text), 0))
    finally:
        system._speak = original  # type: ignore[method-assign]
    assert given == [("", "Hello there.", False), ("Well.", "Hello there.", True), ("", "Hello there.", False)]


def test_only_the_last_words_of_a_long_prompt_go_before(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "one two three four five six"
    count = len(text.symbols_of(words))
    codes = torch.arange(200)[:, None].expand(-1, 8) % 256
    at = (torch.arange(207) * count // 200).clamp_max(count - 1)  # every symbol sounds equally long

    class Known:
        what = (0, 0)
        shared = Watch(what)

        def __init__(self, design: object) -> None:
            looks = torch.nn.functional.one_hot(at, count).float()
            self.shared.weights[self.what] = torch.nn.functional.pad(looks, (TINY.enrolled, 0))[None]

    monkeypatch.setattr("ttsbench.systems.livespeech.system.Guide", Known)
    monkeypatch.setattr(system.model, "read_shared", lambda *args, **kwargs: None)
    enrollment = torch.zeros(1, TINY.enrolled, TINY.dim)
    rest, history = tail(system.model, enrollment, codes, words, most=95)
    assert words.endswith(rest)
    assert rest.split()[0] in ("four", "five")
    assert 40 < len(history) <= 95
    assert torch.equal(history, codes[-len(history) :])
    first = count - len(text.symbols_of(rest)) + 1
    assert at[200 - len(history)] == first  # it begins where its first phone does
    assert tail(system.model, enrollment, codes, words, most=200)[0] == words


def test_the_codec_round_trip_keeps_length_and_rate(system: System) -> None:
    made = system.resynthesize(np.zeros(24000, np.float32), 24000)
    assert made.shape == (16000,)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": Path("missing.wav")}, "no such file"),
        ({"text": "..."}, "nothing to say"),
        ({"text": "你好"}, "unsupported"),
    ],
)
def test_broken_samples_give_clear_errors(
    system: System, sample: Sample, change: dict[str, object], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        next(system.synthesize(dataclasses.replace(sample, **change), 0))  # type: ignore[arg-type]


def test_another_codec_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LEVELS", (4,) * 24)
    with pytest.raises(ValueError, match="levels"):
        System(folder)


def test_codebooks_that_no_codec_has_are_refused(folder: Path, tmp_path: Path) -> None:
    save(LiveSpeech(dataclasses.replace(TINY, codebooks=(512,) * 8, digits=())), tmp_path / "livespeech.safetensors")
    export(build("rvq").state_dict(), tmp_path / "codec-rvq.safetensors")
    (tmp_path / "vocoder.safetensors").symlink_to(folder / "vocoder.safetensors")
    with pytest.raises(ValueError, match=r"livespeech.safetensors: codebooks of \(512"):
        System(tmp_path)


def test_a_checkpoint_over_the_rvq_codebooks_streams_through_the_rvq_codec(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    design = dataclasses.replace(TINY, codebooks=(1024,) * 8, digits=())
    save(LiveSpeech(design), tmp_path / "livespeech.safetensors")
    codec = build("rvq")
    weights = codec.state_dict()
    weights["quantizer.codebooks"].normal_()
    export(weights, tmp_path / "codec-rvq.safetensors")
    (tmp_path / "vocoder.safetensors").symlink_to(folder / "vocoder.safetensors")
    system = System(tmp_path, Sampling(temperature=0.8, sampled=8, fastest=0.1))
    enrollment, heard = system._voice(folder / "prompt.wav", whole=False)
    assert system.codec.name == "rvq" and heard.shape[1] == 8 and heard.max() > 255
    pieces = list(system._speak("Hello.", enrollment, None, torch.Generator().manual_seed(3)))
    symbols = text.symbols_of("Hello.")
    memory = system.model.join(enrollment, torch.tensor([symbols]))
    made = frames(system.model, memory, len(symbols), system.sampling, torch.Generator().manual_seed(3))
    offline = system.codec.decode(torch.stack(list(made))[None])[0].numpy()
    np.testing.assert_allclose(np.concatenate(pieces), offline, atol=1e-4)


def test_chunks_hold_every_frame_once_and_the_first_comes_early() -> None:
    frames = [torch.full((8,), i) for i in range(12)]
    pieces = list(chunked([], iter(frames)))
    assert [piece.shape[1] for piece in pieces] == [4, 5, 3]
    assert torch.equal(torch.cat(pieces, dim=1)[0], torch.stack(frames))
    assert next(chunked(frames[:3], iter(frames))).shape[1] == 7


def test_opening_silence_is_not_sent_and_nothing_else_is_lost() -> None:
    rate = 16000
    speech = np.sin(np.arange(8000) / 10).astype(np.float32) * 0.3
    whole = np.concatenate([np.zeros(3000, np.float32), speech])

    def stream() -> Iterator[np.ndarray]:
        yield from np.split(whole, range(1000, len(whole), 1000))

    pieces = list(without_silence(stream(), rate))
    out = np.concatenate(pieces)
    assert AHEAD * rate <= len(pieces[0]) < AHEAD * rate + 1100  # enough to play while the next chunk is made
    assert 8000 <= len(out) <= 8000 + 0.016 * rate
    np.testing.assert_array_equal(out, whole[-len(out) :])
    assert np.concatenate(list(without_silence(iter([whole[:900], whole[900:1500]]), rate))).shape == (1500,)
    brief = np.concatenate(list(without_silence(iter([whole[:2900], whole[2900:3300]]), rate)))
    assert 300 <= len(brief) <= 300 + 0.016 * rate  # over before there is enough: what is audible is sent


def test_long_texts_become_passages_at_sentence_ends() -> None:
    sentence = "The quick brown fox jumped over the lazy dog near the river bank. "
    parts = passages.passages(sentence * 6)
    assert len(parts) > 1
    assert " ".join(parts) == (sentence * 6).strip()
    assert all(part.endswith(".") for part in parts)
    assert all(len(text.symbols_of(part)) <= passages.MOST for part in passages.passages("word " * 200))
    assert passages.passages("Short.") == ["Short."]


def test_the_papers_alphabet() -> None:
    assert text.characters("Don't  STOP!") == [6, 17, 16, 2, 22, 1, 21, 22, 17, 18]
