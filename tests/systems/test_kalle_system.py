"""KALL-E as a system: streamed chunks, voices from prompts and from seeds, continuation, tuning to a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench import audio
from ttsbench.records import Resynthesizer, Sample
from ttsbench.records import System as Speaks
from ttsbench.systems.codecs.mel_codec import build
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.kalle.adapt import TestTime
from ttsbench.systems.kalle.model import SMALL, Kalle
from ttsbench.systems.kalle.system import SAMPLING, WEIGHTS, System
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.training.trainer import export


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints with random weights, and a prompt."""
    path = tmp_path_factory.mktemp("kalle")
    torch.manual_seed(0)
    model = Kalle(SMALL)
    torch.nn.init.normal_(model.distribution_linear.weight, std=0.1)
    for name, module in (("codec-flowvae", build("flowvae")), ("vocoder", Vocoder()), (WEIGHTS.split(".")[0], model)):
        export(module.state_dict(), path / f"{name}.safetensors", half=True)
    for seed in (1, 2):
        noise = 0.2 * np.random.default_rng(seed).normal(size=24000).astype(np.float32)
        audio.write(path / f"prompt{seed}.wav", np.clip(noise * np.linspace(0, seed, 24000), -1, 1), 16000)
    return path


@pytest.fixture(scope="module")
def system(folder: Path) -> System:
    return System(folder, replace(SAMPLING, most=12))


def spoken(system: System, sample: Sample, seed: int = 1) -> np.ndarray:
    return np.concatenate(list(system.synthesize(sample, seed)))


def test_it_streams_and_repeats_itself(system: System, folder: Path) -> None:
    assert isinstance(system, Speaks)
    assert isinstance(system, Resynthesizer)
    sample = Sample("a", "Seven ships went by.", prompt=folder / "prompt1.wav")
    chunks = list(system.synthesize(sample, 3))
    assert len(chunks) > 2
    whole = np.concatenate(chunks)
    assert whole.dtype == np.float32
    assert len(whole) == 12 * 1280
    assert np.abs(whole).max() <= 1
    np.testing.assert_array_equal(whole, spoken(system, sample, 3))
    assert not np.array_equal(whole, spoken(system, sample, 4))
    assert not np.array_equal(whole, spoken(system, replace(sample, prompt=folder / "prompt2.wav"), 3))


def test_a_voice_number_is_a_voice(folder: Path, system: System) -> None:
    seven = System(folder, replace(SAMPLING, most=6), voice=7)
    assert torch.equal(seven.speaker(None, 7), system.speaker(None, 7))
    assert not torch.equal(seven.speaker(None, 7), system.speaker(None, 8))
    with_prompt = spoken(seven, Sample("a", "Seven ships.", prompt=folder / "prompt1.wav"))
    np.testing.assert_array_equal(with_prompt, spoken(seven, Sample("a", "Seven ships.")))


def test_a_voice_of_the_prior_introduces_itself_unheard(folder: Path, system: System) -> None:
    sample = Sample("a", "Seven ships went by.")
    alone = spoken(System(folder, replace(SAMPLING, most=12), context=False), sample)
    introduced = spoken(system, sample)
    assert len(introduced) <= 12 * 1280  # only the text is heard
    assert not np.array_equal(introduced, alone)


def test_continuation_gives_only_what_follows(system: System, folder: Path) -> None:
    sample = Sample("a", "and went by.", task="continuation", prompt=folder / "prompt1.wav", prompt_text="Ships came")
    out = spoken(system, sample)
    assert 0 < len(out) <= 12 * 1280
    assert not np.array_equal(out, spoken(system, replace(sample, prompt=folder / "prompt2.wav")))


def test_a_prompt_with_its_text_goes_before_the_speech(folder: Path, system: System) -> None:
    sample = Sample("a", "and went by.", prompt=folder / "prompt1.wav", prompt_text="Ships came")
    alone = spoken(System(folder, replace(SAMPLING, most=12), context=False), sample)
    assert not np.array_equal(spoken(system, sample), alone)
    np.testing.assert_array_equal(spoken(system, replace(sample, prompt_text="")), alone)
    with pytest.raises(SpeechError, match="nothing to say"):
        spoken(system, replace(sample, text="..."))


def test_a_long_prompt_gives_its_voice_alone(folder: Path, system: System) -> None:
    audio.write(folder / "long.wav", np.tile(audio.read_at(folder / "prompt1.wav", 16000), 6), 16000)
    sample = Sample("a", "and went by.", prompt=folder / "long.wav", prompt_text="Ships came")
    np.testing.assert_array_equal(spoken(system, sample), spoken(system, replace(sample, prompt_text="")))


def test_tuning_to_a_prompt_leaves_the_model_as_it_was(folder: Path) -> None:
    tuned = System(folder, replace(SAMPLING, most=5), test_time=TestTime(samples=4, lr=1e-3, batch=2))
    before = {name: value.clone() for name, value in tuned.model.state_dict().items()}
    sample = Sample("a", "Seven ships.", prompt=folder / "prompt1.wav", prompt_text="One two.")
    plain = System(folder, replace(SAMPLING, most=5))
    assert not np.array_equal(spoken(tuned, sample), spoken(plain, sample))
    stopped = tuned.synthesize(sample, 1)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert all(torch.equal(value, before[name]) for name, value in tuned.model.state_dict().items())


def test_what_cannot_be_said_is_an_error(system: System, folder: Path) -> None:
    with pytest.raises(SpeechError, match="nothing to say"):
        spoken(system, Sample("a", "...", prompt=folder / "prompt1.wav"))
    audio.write(folder / "short.wav", np.full(1000, 0.1, np.float32), 16000)
    with pytest.raises(SpeechError, match=r"0\.06 s"):
        spoken(system, Sample("a", "Hello.", prompt=folder / "short.wav"))


def test_resynthesis_keeps_the_length(system: System) -> None:
    sound = 0.1 * np.random.default_rng(0).normal(size=30001).astype(np.float32)
    assert system.resynthesize(sound, 16000).shape == (30001,)
    assert abs(len(system.resynthesize(sound, 24000)) - 20001) <= 1
