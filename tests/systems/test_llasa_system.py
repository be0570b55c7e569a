"""Small Llasa as a system, on random weights: prompts, pieces, seeds, continuation, round trip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ttsbench.audio import write
from ttsbench.records import Resynthesizer, Sample
from ttsbench.records import System as Speaks
from ttsbench.systems.codecs.mel_codec import build
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.llasa import search, small
from ttsbench.systems.llasa.system import System
from ttsbench.systems.nn.vocoder import Vocoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints with random weights, in the shipped layout."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    codec = build("fsq")
    save_file(codec.state_dict(), folder / "codec-fsq.safetensors")
    save_file(Vocoder().state_dict(), folder / "vocoder.safetensors")
    levels = tuple(int(n) for n in codec.quantizer.levels)
    model = small.SmallLlasa(small.Size(levels, dim=32, layers=4, heads=2, hidden=64, digits=16))
    small.save(model, folder / "llasa.safetensors")
    return folder


@pytest.fixture(scope="module")
def system(folder: Path) -> System:
    return System(folder)


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    path = tmp_path / "prompt.flac"
    write(path, (0.1 * np.random.default_rng(0).standard_normal(24_000)).astype(np.float32), 16_000)
    return path


def test_it_speaks_and_a_seed_repeats(system: System, prompt: Path) -> None:
    assert isinstance(system, Speaks)
    assert isinstance(system, Resynthesizer)
    sample = Sample("a", "Hello.", prompt=prompt, prompt_text="Good day.")
    one, again, other = (np.concatenate(list(system.synthesize(sample, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert one.dtype == np.float32
    assert one.size % system.codec.hop == 0
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_prompt_sets_clock_and_context(system: System, prompt: Path) -> None:
    known = system.writers(Sample("a", "Hello.", prompt=prompt, prompt_text="Good day."))[0]
    assert known.codes.shape == (1, 75, len(system.model.size.levels))
    before, after = 8, 6  # phones with a pause at both ends: g uh d d ey, hh ah l ow
    assert known.texts.phones.shape == (1, before - 1 + after)
    gap = float(known.texts.positions[0, 1] - known.texts.positions[0, 0])
    assert gap == pytest.approx(75 / (before - 1))  # the prompt is spread over its frames, pauses and all
    pace = system.model.size.pace
    text = known.texts.positions[0, before - 1 :]
    np.testing.assert_allclose(text, 75 + (np.arange(after) + 0.5) * pace, rtol=1e-6)  # and hands its pace to nobody
    unknown = system.writers(Sample("a", "Hello.", prompt=prompt))[0]
    assert unknown.texts.phones.shape == (1, after)
    assert float(unknown.texts.positions[0, 0]) == pytest.approx(75 + system.model.size.pace / 2)
    alone = system.writers(Sample("a", "Hello."))[0]
    assert alone.codes.shape[1] == 0


def test_a_continuation_says_what_is_left(system: System, prompt: Path) -> None:
    sample = Sample("a", "Hello there, good day to you.", task="continuation", prompt=prompt, prompt_seconds=1.5)
    writer = system.writers(sample)[0]
    assert float(writer.texts.positions[0, 0]) == pytest.approx(system.model.size.pace / 2)
    assert writer.codes.shape[1] == 75


def test_long_texts_come_in_pieces(system: System, prompt: Path) -> None:
    text = "This is the first half of a long text, which goes on and on. And this is the second half of it, at last."
    writers = system.writers(Sample("a", text, prompt=prompt, prompt_text="Good day."))
    assert len(writers) == 2
    assert len(search.chunks(text)) == 2


def test_pieces_of_sound_fit_to_the_prompt(system: System, prompt: Path) -> None:
    """Decoding behind the prompt's last second gives what decoding behind all of it gives."""
    writer = system.writers(Sample("a", "Hello.", prompt=prompt, prompt_text="Good day."))[0]
    frames = torch.randint(0, 4, (12, writer.width))
    whole = system.codec.decode(torch.cat([writer.codes, frames[None]], dim=1))[0, 75 * system.codec.hop :]
    np.testing.assert_allclose(writer.audio(frames), whole.numpy(), atol=1e-4)
    assert writer.audio(frames[:0]).size == 0


def test_candidates_of_the_real_model(system: System, prompt: Path) -> None:
    writer = system.writers(Sample("a", "Hello.", prompt=prompt))[0]
    loud = search.Verifier("loud", lambda sound: float(np.abs(sound).mean()))
    found = search.partial_prm(writer, search.Beam(5, 2, 2), loud, (loud,), torch.Generator().manual_seed(0), 0.2)
    assert found.cost.decodes >= 4 + 4
    assert found.best.scores["loud"] == max(candidate.scores["loud"] for candidate in found.candidates)


def test_round_trip_keeps_the_length(system: System) -> None:
    sound = 0.1 * np.random.default_rng(1).standard_normal(22_050).astype(np.float32)
    assert system.resynthesize(sound, 22_050).shape == (16_000,)


def test_faults_are_named(system: System, folder: Path, tmp_path: Path) -> None:
    from ttsbench.systems.text.normalise import UnsupportedText

    with pytest.raises(FileNotFoundError, match=r"llasa\.safetensors"):
        System(tmp_path)
    with pytest.raises(UnsupportedText):
        system.writers(Sample("a", "你好", language="zh"))
    with torch.no_grad():
        system.model.head.bias[0, system.model.size.levels[0]] += 100  # the end at once
    with pytest.raises(SpeechError, match="said nothing"):
        list(system.synthesize(Sample("a", "Hello."), 0))
    with torch.no_grad():
        system.model.head.bias[0, system.model.size.levels[0]] -= 100
