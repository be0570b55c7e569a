"""Full-size KALL-E as a system, on tiny random weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench.audio import write
from ttsbench.records import Resynthesizer, Sample, System
from ttsbench.systems import weights
from ttsbench.systems.codecs.flowvae_full import FlowVAE, FlowVAEShape
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.kalle.adapt import TestTime
from ttsbench.systems.kalle.full import END_OF_TEXT, START_OF_SPEECH, Released, load_tokenizer
from ttsbench.systems.kalle.generate import Sampling
from ttsbench.systems.kalle.model import LLAMA_1B, Kalle, KalleShape
from ttsbench.systems.weights import MissingWeights

tokenizers = pytest.importorskip("tokenizers", reason="reads and builds tokenizer.json")


TINY = KalleShape(dataclasses.replace(LLAMA_1B, dim=32, layers=2, heads=4, kv_heads=2, hidden=64), 40, 8)


@pytest.fixture(scope="module")
def tokenizer() -> object:
    """Letters as tokens, a beginning mark, the two special tokens."""
    vocabulary = {letter: at for at, letter in enumerate("abcdefghijklmnopqrstuvwxyz .,")}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.add_special_tokens(["<bos>", END_OF_TEXT, START_OF_SPEECH])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", made.token_to_id("<bos>"))]
    )
    return made


@pytest.fixture(scope="module")
def system(tokenizer: object) -> Released:
    torch.manual_seed(0)
    vae = FlowVAE(FlowVAEShape(latent=8, down=(4, 5), channels=(4, 8, 16), up=(5, 4), first=16, flow_hidden=8))
    return Released(Kalle(TINY), vae, tokenizer, Sampling(stop=0.0, most=60))  # type: ignore[arg-type]


def test_the_context_is_put_together_as_in_the_public_code(system: Released) -> None:
    bos, end, start = (system.tokenizer.token_to_id(mark) for mark in ("<bos>", END_OF_TEXT, START_OF_SPEECH))
    assert system.ids("", "ab")[0].tolist() == [bos, 0, 1, end, start]
    assert system.ids("c", "ab")[0].tolist() == [bos, 2, 0, 1, end, start]


def test_it_speaks_in_chunks_and_tuning_is_undone(system: Released, tmp_path: Path) -> None:
    assert isinstance(system, System)
    assert isinstance(system, Resynthesizer)
    write(tmp_path / "p.wav", 0.1 * np.random.default_rng(0).normal(size=400).astype(np.float32), 16000)
    sample = Sample("a", "seven ships.", prompt=tmp_path / "p.wav", prompt_text="one two.")
    chunks = list(system.synthesize(sample, 1))
    whole = np.concatenate(chunks)
    assert len(chunks) > 1
    assert len(whole) == 60 * 20
    np.testing.assert_array_equal(whole, np.concatenate(list(system.synthesize(sample, 1))))
    free = np.concatenate(list(system.synthesize(Sample("a", "seven ships."), 1)))
    assert not np.array_equal(whole, free)
    tuned = Released(system.model, system.codec, system.tokenizer, system.sampling, TestTime(8, lr=1e-2))
    assert not np.array_equal(np.concatenate(list(tuned.synthesize(sample, 1))), whole)
    np.testing.assert_array_equal(np.concatenate(list(system.synthesize(sample, 1))), whole)
    assert system.resynthesize(whole, 16000).shape == whole.shape
    with pytest.raises(SpeechError, match="transcript"):
        list(system.synthesize(dataclasses.replace(sample, prompt_text=""), 1))


def test_a_missing_tokenizer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: object) -> None:
    monkeypatch.setenv("KALLE_DIR", str(tmp_path))
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "cache"))
    with pytest.raises(MissingWeights, match=r"tokenizer\.json"):
        load_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))  # type: ignore[attr-defined]
    with pytest.raises(MissingWeights, match=r"model\.pt"):
        Released()
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_dir").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer_dir" / "tokenizer.json"))  # type: ignore[attr-defined]
    (tmp_path / "ckpt").mkdir()
    for place in (tmp_path, tmp_path / "ckpt"):  # the public code's layout, by its root or by its checkpoints
        monkeypatch.setenv("KALLE_DIR", str(place))
        assert load_tokenizer().token_to_id(START_OF_SPEECH) is not None
        for name in ("model.pt", "flowvae.pt"):
            (tmp_path / "ckpt" / name).unlink(missing_ok=True)
        with pytest.raises(MissingWeights, match=r"model\.pt"):
            Released()
        torch.save({"base_model.lm_head.weight": torch.ones(1)}, tmp_path / "ckpt" / "model.pt")
        path = weights.find(weights.KALLE)
        message = r"ckpt/model\.pt: .* is missing, expected .*ttsbench fetch kalle"
        with pytest.raises(ValueError, match=message):
            Kalle(TINY).load(weights.read(path), path)


def test_posterior_frames_are_those_of_the_convolutions(system: Released) -> None:
    """Nothing is added at the end, as in the public code; less than a frame is filled up."""
    shape = system.codec.shape
    assert system.codec.posterior(torch.zeros(1, 7))[0].shape == (1, 1, shape.latent)
    whole = torch.randn(1, 100)
    for count in (100, 102):
        audio = torch.nn.functional.pad(whole, (0, count - 100))
        given = system.codec.audio_encoder(audio[:, None])
        assert system.codec.posterior(audio)[0].shape[1] == given.shape[2]
    assert system.codec.encode(torch.randn(1, 101)).shape == (1, 6, shape.latent)  # a round trip keeps every sample
