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
from ttsbench.systems.livespeech.loss import code_loss, fixed_weights
from ttsbench.systems.livespeech.model import LiveSpeech
from ttsbench.systems.livespeech.paper import batches, segment
from ttsbench.systems.livespeech.text import characters
from ttsbench.systems.livespeech.train import PAPER_RECIPES, Recipe, losses
from ttsbench.systems.training.paper import VARIANTS
from ttsbench.systems.training.trainer import Settings
from ttsbench.systems.training.words import words_of

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
    made = codec.vectors(codes)
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
        loss = losses(model.train(), recipe, codec.vectors, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(float(loss))
    assert found[-1] < found[0]
    memory = model.eval().remember(codec.vectors(batch.enrolled[:1]), batch.symbols[:1])
    stream = frames(model, memory, 12, Sampling(fastest=0.05), torch.Generator().manual_seed(0))
    first = [next(stream) for _ in range(10)]
    audio = torch.cat(list(codec.decode_stream([torch.stack(first)[None]])), dim=1)
    assert audio.shape == (1, 10 * 320)


def test_fixed_weights_fall_to_one_and_replace_the_adaptive_ones() -> None:
    assert fixed_weights(6, 0.0).tolist() == [16, 8, 4, 2, 1, 1]
    assert fixed_weights(6, 0.5).tolist() == pytest.approx([4, 8**0.5, 2, 2**0.5, 1, 1])
    assert fixed_weights(2, 1.0).tolist() == [1, 1]
    torch.manual_seed(0)
    logits, codes, lengths = torch.randn(1, 6, 3, 12), torch.randint(0, 10, (1, 4, 3)), torch.tensor([4])
    even, plain = code_loss(logits, codes, lengths, 11)
    weighted, _ = code_loss(logits, codes, lengths, 11, fixed=fixed_weights(3, 0.0))
    ends = even * 12 - plain.sum() * 4
    torch.testing.assert_close(weighted * 12, (plain * torch.tensor([16.0, 8.0, 4.0])).sum() * 4 + ends)
    found = {name: (r.design.groups, r.strength, r.p_max) for name, r in PAPER_RECIPES.items()}
    assert found == {
        "adaptive": (8, 0.05, None), "fixed": (8, 0.05, None), "ungrouped": (1, 0.1, None),
        "ungrouped-p-max": (1, 0.1, 0.5),
    }  # fmt: skip
    assert set(PAPER_RECIPES) == set(VARIANTS["livespeech"])
    assert PAPER_RECIPES["fixed"].fixed and not PAPER_RECIPES["adaptive"].fixed


def test_the_end_is_drawn_or_comes_by_its_likelihood() -> None:
    torch.manual_seed(0)
    model = LiveSpeech(dataclasses.replace(NARROW, codebooks=(8,) * 16)).eval()  # the end is one of nine symbols
    memory = model.remember(torch.randn(1, 4, 128), torch.ones(1, 20, dtype=torch.long))
    plain = Sampling(fastest=0.01, slowest=0.02, top_k=2000, temperature=8.0)
    lengths = {}
    for name, how in {"drawn": dataclasses.replace(plain, end=None), "by likelihood": plain}.items():
        lengths[name] = {len(list(frames(model, memory, 20, how, torch.Generator().manual_seed(s)))) for s in range(3)}
    least, most = plain.bounds(20, 75.0)
    assert lengths["by likelihood"] == {most}  # never likelier than one half in a fresh model
    assert min(lengths["drawn"]) >= least
    assert min(lengths["drawn"]) < most


def test_segments_begin_and_end_at_words(codec: EnCodec, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("aligned")
    phones = [("pau", 0.3), ("hh", 0.4), ("ay", 0.6), ("pau", 0.9), ("dh", 1.0), ("eh", 1.2), ("r", 1.4), ("pau", 1.5)]
    sound = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    texts = ("Hi, there!", "Hi, you there!")
    rows = [Spoken(f"u{i}", "s", "train", text, sound, phones) for i, text in enumerate(texts)]
    write_shard(folder, "x", "flite", iter(rows))
    (folder / "manifest.jsonl").write_text((folder / "shard-x.jsonl").read_text())
    placed, unplaced = Corpus(folder).utterances
    words = words_of(placed)
    assert [(word.text, round(word.start, 2), round(word.end, 2)) for word in words] == [
        ("hi", 0.3, 0.6), ("there", 0.9, 1.4),
    ]  # fmt: skip
    assert words_of(unplaced) == []  # another number of phones than the text has
    found = {segment("Hi, there!", 150, words, np.random.default_rng(seed)) for seed in range(60)}
    assert found == {("hi", 30, 30), ("there", 90, 50), ("hi there", 30, 110)}
    assert segment("Hi, you there!", 150, [], np.random.default_rng(0)) == ("Hi, you there!", 0, 150)
    batch = batches(Corpus(folder), codec, "train", seed=0, size=8)(0)
    assert set(batch.lengths.tolist()) <= {23, 38, 83, 113}
    assert len(set(batch.lengths.tolist())) > 1
