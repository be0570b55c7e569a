"""LiveSpeech at full size: EnCodec's codes as targets, its vectors as enrollment, characters as text."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Spoken, write_shard
from ttsbench.systems.livespeech.design import PAPER_GROUPS
from ttsbench.systems.livespeech.generate import Sampling, frames
from ttsbench.systems.livespeech.model import LiveSpeech
from ttsbench.systems.livespeech.paper import batches, vectors
from ttsbench.systems.livespeech.text import characters
from ttsbench.systems.livespeech.train import Recipe, losses
from ttsbench.systems.training.trainer import Settings

NARROW = dataclasses.replace(
    PAPER_GROUPS, dim=32, heads=2, hidden=32, shared_layers=1, group_layers=1, enrolled=4, encoder_dim=16,
    encoder_layers=1, encoder_heads=2, encoder_hidden=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def codec() -> EnCodec:
    pytest.importorskip("transformers", reason="EnCodec is transformers' own")
    torch.manual_seed(0)
    return EnCodec(16)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    spoken = [
        Spoken(f"u{i}", f"s{i % 2}", "train", f"Number {i}, don't!", rng.normal(0, 0.1, 8000).astype(np.float32), [])
        for i in range(4)
    ]
    write_shard(folder, "x", "flite", iter(spoken))
    (folder / "manifest.jsonl").write_text((folder / "shard-x.jsonl").read_text())
    return Corpus(folder)


def test_numbers_are_read_out_and_punctuation_is_left_out() -> None:
    alphabet = " 'abcdefghijklmnopqrstuvwxyz"
    assert "".join(alphabet[index - 1] for index in characters("Don't  PAY 12!")) == "don't pay twelve"


def test_features_are_the_sum_of_the_dequantised_codebooks(codec: EnCodec) -> None:
    codes = torch.randint(0, 1024, (2, 5, 16))
    made = vectors(codec)(codes)
    books = [codec.model.quantizer.layers[q].codebook.embed for q in range(16)]
    expected = torch.stack([books[q][codes[..., q]] for q in range(16)]).sum(0)
    torch.testing.assert_close(made, expected)
    assert made.shape[-1] == PAPER_GROUPS.features


def test_the_papers_loss_falls_on_encodec_codes_and_the_model_then_speaks(codec: EnCodec, corpus: Corpus) -> None:
    torch.manual_seed(0)
    batch = batches(corpus, codec, "train", seed=0, size=3)(0)
    assert batch.codes.shape[2] == 16
    assert batch.lengths.tolist() == [38, 38, 38]  # half a second at 75 Hz
    assert torch.equal(batches(corpus, codec, "train", seed=0, size=3)(0).codes, batch.codes)
    model = LiveSpeech(NARROW)
    recipe = Recipe(NARROW, Settings(), strength=0.05)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    found = []
    for _ in range(6):
        loss = losses(model.train(), recipe, vectors(codec), batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(float(loss))
    assert found[-1] < found[0]
    memory = model.eval().remember(vectors(codec)(batch.enrolled[:1]), batch.symbols[:1])
    stream = frames(model, memory, 12, Sampling(fastest=0.05), torch.Generator().manual_seed(0))
    first = [next(stream) for _ in range(10)]
    audio = torch.cat(list(codec.decode_stream([torch.stack(first)[None]])), dim=1)
    assert audio.shape == (1, 10 * 320)
