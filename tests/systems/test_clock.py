"""The clock of the text: behind a prompt, slow or fast, the text begins where its speech begins; in training too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ttsbench import audio
from ttsbench.records import Sample
from ttsbench.systems.codecs.mel_codec import build
from ttsbench.systems.kalle.data import START, Clip, collate, joined
from ttsbench.systems.kalle.generate import Sampling, frames
from ttsbench.systems.kalle.model import SMALL, Kalle, KalleShape, SpeakerShape
from ttsbench.systems.kalle.system import System as KalleSystem
from ttsbench.systems.kalle.train import Aids, losses
from ttsbench.systems.livespeech import design, layout
from ttsbench.systems.livespeech import generate as speaking
from ttsbench.systems.livespeech import system as livespeech
from ttsbench.systems.livespeech.data import Batch, with_history
from ttsbench.systems.livespeech.model import LiveSpeech, Memory, save
from ttsbench.systems.livespeech.train import SMALL_RECIPE
from ttsbench.systems.livespeech.train import losses as livespeech_losses
from ttsbench.systems.nn.clock import places
from ttsbench.systems.nn.transformer import Rope, Shape, Transformer
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.text.frontend import text_to_ids
from ttsbench.systems.training.trainer import export

TINY = KalleShape(
    Shape(32, 4, 2, 64, rope=Rope()), 42, 6, SpeakerShape(10, 16, 24, 8, 5), spacing=1.2, text_layers=1,
    standardised=True,
)  # fmt: skip
TEXT, BEFORE = "Hello there.", "Good morning to you."
TINY_LIVESPEECH = dataclasses.replace(
    design.SMALL, dim=32, heads=2, hidden=48, shared_layers=2, enrolled=3, encoder_dim=16, encoder_layers=1,
    encoder_heads=2, encoder_hidden=16, text_layers=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of untrained models, and noise as prompts of 1.5 s and 3 s."""
    torch.manual_seed(0)
    where = tmp_path_factory.mktemp("checkpoints")
    shape = dataclasses.replace(SMALL, body=Shape(32, 4, 2, 64, rope=Rope()))
    export(Kalle(shape).state_dict(), where / "kalle.safetensors")
    export(build("flowvae").state_dict(), where / "codec-flowvae.safetensors", half=True)
    save(LiveSpeech(TINY_LIVESPEECH), where / "livespeech.safetensors")
    export(build("fsq").state_dict(), where / "codec-fsq.safetensors", half=True)
    export(Vocoder().state_dict(), where / "vocoder.safetensors", half=True)
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    audio.write(where / "fast.wav", noise[:24000], 16000)
    audio.write(where / "slow.wav", noise, 16000)
    return where


def test_a_text_begins_where_its_prompt_ends() -> None:
    order = torch.arange(6.0)[None]
    assert places(order, 1.5).tolist() == [[0.0, 1.5, 3.0, 4.5, 6.0, 7.5]]
    told = torch.tensor([[4, 20], [4, 2], [0, 0]])
    assert places(order, 1.5, told).tolist() == [
        [0.0, 5.0, 10.0, 15.0, 20.0, 21.5],
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.5],
        [0.0, 1.5, 3.0, 4.5, 6.0, 7.5],
    ]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The positions (batch, time) of every forward pass of a transformer that is given some."""
    found: list[Tensor] = []
    original = Transformer.forward

    def forward(self: Transformer, x: Tensor, **more: Any) -> Tensor:
        if more.get("positions") is not None:
            found.append(torch.atleast_2d(more["positions"]))
        return original(self, x, **more)

    monkeypatch.setattr(Transformer, "forward", forward)
    return found


@pytest.mark.parametrize("prompt", ["fast.wav", "slow.wav"])
def test_kalle_says_its_text_from_the_prompts_end_on(folder: Path, seen: list[Tensor], prompt: str) -> None:
    shape = dataclasses.replace(SMALL, body=Shape(32, 4, 2, 64, rope=Rope()))
    system = KalleSystem(folder, Sampling(temperature=0.2, emit="mean", most=4), shape=shape)
    list(system.synthesize(Sample("a", TEXT, prompt=folder / prompt, prompt_text=BEFORE), 0))
    told, said = len(text_to_ids(BEFORE)), len(text_to_ids(TEXT))
    first = next(found[0] for found in seen if found.shape[1] > told + said)
    heard = len(first) - (1 + told + said + 1)  # frames of the prompt, behind the voice, the text and START
    assert first[-1] == heard
    text = first[1 : 1 + told + said]
    assert SMALL.spacing is not None
    torch.testing.assert_close(text[told:], heard + SMALL.spacing * torch.arange(said))
    torch.testing.assert_close(text[:told], heard / told * torch.arange(told))


def kalle_clip(phones: int, frames: int, seed: int) -> Clip:
    rng = np.random.default_rng(seed)
    mean, logs = rng.normal(size=(2, frames, 6)).astype(np.float32)
    ends = np.linspace(0, frames, phones + 1)[1:].astype(np.float32)
    return Clip(rng.integers(1, 41, phones), ends, mean, logs, rng.normal(size=(40, 10)).astype(np.float32), "a")


def test_kalle_trains_on_pairs_with_the_clock_that_it_speaks_with(seen: list[Tensor]) -> None:
    torch.manual_seed(0)
    model = Kalle(TINY)
    before, after = kalle_clip(5, 16, 0), kalle_clip(4, 5, 1)
    alone = kalle_clip(9, 21, 2)
    losses(model, collate([joined(before, after), alone], [before.mel, before.mel]), 0, Aids())
    trained, single = seen.pop()
    ids = torch.tensor([[*before.phones, *after.phones, START]])
    prompt = torch.from_numpy(before.mean)[None]
    list(frames(model, ids, torch.zeros(1, 5), Sampling(most=1), torch.Generator(), prompt, told=5))
    spoken = seen[0][0]
    assert len(spoken) == 1 + 10 + 16
    torch.testing.assert_close(trained[: len(spoken)], spoken)
    torch.testing.assert_close(single[1:11], 1.2 * torch.arange(10))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Memory]:
    """What LiveSpeech's decoder is given to read, in order."""
    found: list[Memory] = []
    original = LiveSpeech.join

    def join(self: LiveSpeech, *arguments: Any) -> Memory:
        found.append(original(self, *arguments))
        return found[-1]

    monkeypatch.setattr(LiveSpeech, "join", join)
    return found


def symbols_at(memory: Memory) -> Tensor:
    assert memory.positions is not None
    return memory.positions[:, TINY_LIVESPEECH.enrolled :]


@pytest.mark.parametrize("prompt", ["fast.wav", "slow.wav"])
def test_livespeech_says_its_text_from_the_historys_end_on(
    folder: Path, prompt: str, given: list[Memory], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = livespeech.System(folder, speaking.Sampling(sampled=0))
    monkeypatch.setattr(livespeech, "HISTORY_SECONDS", 9.0)
    next(system.synthesize(Sample("a", TEXT, prompt=folder / prompt, prompt_text=BEFORE), 0))
    _, codes = system._voice(folder / prompt, whole=False)
    told, said = len(text_to_ids(BEFORE)), len(text_to_ids(TEXT))
    (found,) = symbols_at(given[-1])
    torch.testing.assert_close(found[told:], len(codes) + 4.4 * torch.arange(said - 1))  # one pause between them
    torch.testing.assert_close(found[:told], len(codes) / told * torch.arange(told))


def test_livespeech_looks_for_the_prompts_words_at_the_prompts_own_pace(folder: Path, given: list[Memory]) -> None:
    """A slow prompt's text on the corpus' clock would lie ahead of its speech, and words be cut at the wrong place."""
    system = livespeech.System(folder)
    enrollment, codes = system._voice(folder / "slow.wav", whole=False)
    livespeech.tail(system.model, enrollment, codes, BEFORE, most=60)
    (found,) = symbols_at(given[-1])
    torch.testing.assert_close(found, len(codes) / len(found) * torch.arange(float(len(found))))


def test_a_prompt_that_is_heard_in_part_is_no_history(folder: Path, tmp_path: Path, given: list[Memory]) -> None:
    """Its text says words that were not heard: they would be said before the text."""
    system = livespeech.System(folder, speaking.Sampling(sampled=0))
    noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 11).astype(np.float32)
    for seconds, told in ((11, 0), (2, len(text_to_ids(BEFORE)))):
        audio.write(tmp_path / f"{seconds}.wav", noise[: 16000 * seconds], 16000)
        sample = Sample("a", TEXT, prompt=tmp_path / f"{seconds}.wav", prompt_text=BEFORE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(livespeech, "tail", lambda model, enrollment, codes, text, most: (text, codes))
            next(system.synthesize(sample, 0))
        assert symbols_at(given[-1]).shape[1] == len(text_to_ids(TEXT)) + max(0, told - 1)


def test_livespeech_streams_behind_a_history_what_it_says_offline(folder: Path) -> None:
    system = livespeech.System(folder, speaking.Sampling(temperature=0.8, sampled=8, guidance=2.0))
    enrollment, codes = system._voice(folder / "slow.wav", whole=False)
    pieces = list(system._speak(TEXT, enrollment, codes, torch.Generator().manual_seed(3), BEFORE))
    ids = [*text_to_ids(BEFORE), *text_to_ids(TEXT)[1:]]
    told = torch.tensor([[len(text_to_ids(BEFORE)), len(codes)]])
    memory = system.model.join(enrollment, torch.tensor([ids]), told)
    generator = torch.Generator().manual_seed(3)
    made = list(speaking.frames(system.model, memory, len(ids), system.sampling, generator, codes, int(told[0, 0])))
    before = codes[-livespeech.CONTEXT :]
    whole = system.codec.decode(layout.unpack(torch.cat([before, torch.stack(made)]))[None])[0]
    streamed = np.concatenate(pieces)
    assert len(pieces) > 3
    np.testing.assert_allclose(streamed, whole[len(before) * system.codec.hop :].numpy(), atol=1e-4)


def livespeech_batch() -> Batch:
    symbols = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 0]])
    ends = torch.tensor([[4.0, 8.0, 12.0, 18.0], [5.0, 9.0, 11.0, 11.0]])
    codes = torch.randint(0, 4, (2, 18, 8))
    return Batch(symbols, ends, codes, torch.tensor([18, 11]), codes, torch.tensor([18, 11]))


def test_livespeech_trains_with_the_clock_that_it_speaks_with(given: list[Memory]) -> None:
    torch.manual_seed(0)
    model, batch = LiveSpeech(TINY_LIVESPEECH), livespeech_batch()
    assert torch.equal(with_history(batch, 0.0, np.random.default_rng(0)).told, torch.zeros(2, 2))  # type: ignore[arg-type]
    cut = with_history(batch, 1.0, np.random.default_rng(1))
    assert cut.told is not None
    livespeech_losses(model, SMALL_RECIPE, layout.vectors, cut)
    for row, (symbols, frames_) in enumerate(cut.told.tolist()):
        assert frames_ == (batch.ends[row, int(symbols) - 1] if symbols else 0.0)
        count = int((batch.symbols[row] != 0).sum())
        found = symbols_at(given[-1])[row, int(symbols) : count]
        torch.testing.assert_close(found, frames_ + 4.4 * torch.arange(len(found)))
    draws = [with_history(batch, 0.5, np.random.default_rng(n)).told for n in range(40)]
    assert {tuple(told[1].tolist()) for told in draws if told is not None} == {(0.0, 0.0), (1.0, 5.0), (2.0, 9.0)}
