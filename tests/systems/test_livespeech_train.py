"""LiveSpeech's training: codes survive packing, silence is cut, the loss falls, runs resume, checkpoints load."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ttsbench.systems.livespeech import layout
from ttsbench.systems.livespeech.aids import shares_of
from ttsbench.systems.livespeech.data import Batch, from_corpus, without_lead
from ttsbench.systems.livespeech.design import SMALL
from ttsbench.systems.livespeech.model import LiveSpeech, load, save
from ttsbench.systems.livespeech.train import SMALL_RECIPE, Recipe, fit, losses
from ttsbench.systems.nn.quantizers import ResidualVQ
from ttsbench.systems.training.data import TtsBatch
from ttsbench.systems.training.log import read_log
from ttsbench.systems.training.trainer import Settings

DESIGN = dataclasses.replace(
    SMALL, dim=32, heads=2, hidden=48, shared_layers=2, enrolled=3, encoder_dim=16, encoder_layers=1, encoder_heads=2,
    encoder_hidden=16, text_layers=1,
)  # fmt: skip


def example(step: int) -> Batch:
    """Every symbol says its own codes."""
    rng = np.random.default_rng(step)
    symbols = torch.from_numpy(rng.integers(2, 41, (4, 5)))
    ends = torch.from_numpy(rng.integers(2, 5, (4, 5)).cumsum(1)).float()
    lengths = ends[:, -1].long()
    sounding = symbols.gather(1, shares_of(ends, int(lengths.max())).argmax(-1))
    codes = sounding[..., None] * torch.tensor([6, 4, 5, 3, 5, 2, 1, 3])
    voice = torch.from_numpy(rng.integers(0, 200, (4, 3, 8)))
    return Batch(symbols, ends, codes, lengths, voice, torch.tensor([3, 3, 2, 1]))


def test_digits_survive_packing_and_the_sizes_are_even() -> None:
    digits = torch.stack([torch.randint(0, level, (5, 9)) for level in layout.LEVELS], dim=-1)
    codes = layout.pack(digits)
    assert layout.SIZES == (256,) * 8
    assert bool((codes < torch.tensor(layout.SIZES)).all())
    assert torch.equal(layout.unpack(codes), digits)
    top = layout.pack(torch.tensor(layout.LEVELS) - 1)
    assert top.tolist() == [size - 1 for size in layout.SIZES]
    assert sorted(at for places in layout.PLACES for at in places) == list(range(24))
    assert layout.vectors(top).tolist() == [1.0] * 24
    assert layout.vectors(torch.zeros(2, 8, dtype=torch.long)).tolist() == [[-1.0] * 24] * 2


def test_the_codebooks_are_those_of_a_residual_quantizer_over_the_codecs_values() -> None:
    quantizer = ResidualVQ(dim=24, levels=8, size=256)
    for q, places in enumerate(layout.PLACES):
        codes = torch.zeros(256, 8, dtype=torch.long)
        codes[:, q] = torch.arange(256)
        quantizer.codebooks[q][:, list(places)] = layout.vectors(codes)[:, list(places)]
    torch.manual_seed(0)
    codes = torch.randint(0, 256, (4, 50, 8))
    rounding = (torch.rand(4, 50, 24) - 0.5) * 1.98 / (torch.tensor(layout.LEVELS) - 1.0)
    unrounded = layout.vectors(codes) + rounding
    _, found, _ = quantizer.eval()(unrounded)
    assert torch.equal(found, codes)
    torch.testing.assert_close(quantizer.decode(found), layout.vectors(codes))
    gone = [(quantizer.decode(found[..., :k]) - unrounded).square().mean() for k in range(1, 9)]
    assert all(later < before for before, later in itertools.pairwise(gone))


def test_tables_that_follow_a_codecs_entries_make_neighbours_and_fold_into_plain_ones() -> None:
    torch.manual_seed(0)
    model = LiveSpeech(dataclasses.replace(DESIGN, codebooks=(16,) * 8, digits=()))
    entries = torch.randn(8, 16, 24) * torch.logspace(0, -3, 8)[:, None, None]
    entries[:, 1] = entries[:, 0]
    model.codes.follow(entries)
    tables = model.codes()
    assert tables.shape == (8, 18, 32)
    assert torch.equal(tables[:, 0], tables[:, 1]) and not torch.equal(tables[:, 0], tables[:, 2])
    rough = tables[:, :16].std(dim=(1, 2))
    assert rough.max() < 2 * rough.min()  # fine codebooks are heard as well as coarse ones
    assert {name for name, _ in model.codes.named_parameters()} == {"weight", "maps"}
    model.codes.fold()
    torch.testing.assert_close(model.codes(), tables)
    assert {name for name, _ in model.codes.named_parameters()} == {"weight"}


def test_opening_silence_is_cut_to_two_frames() -> None:
    codes = torch.arange(15)[None, :, None].repeat(2, 1, 3)
    symbols, ends = torch.tensor([[1, 5], [5, 6]]), torch.tensor([[9.0, 15.0], [9.0, 12.0]])
    batch = Batch(symbols, ends, codes, torch.tensor([15, 12]), codes, torch.tensor([15, 15]))
    cut = without_lead(batch)
    assert cut.lengths.tolist() == [8, 12]
    assert cut.codes[0, :, 0].tolist() == [*range(7, 15), 0, 0, 0, 0]
    assert cut.codes[1, :, 2].tolist() == list(range(12))
    assert cut.ends.tolist() == [[2.0, 8.0], [9.0, 12.0]]


def test_the_shared_trainers_batches_fit() -> None:
    digits = torch.stack([torch.randint(0, level, (2, 9)) for level in layout.LEVELS], dim=-1)
    theirs = TtsBatch(
        phones=torch.tensor([[1, 7, 8], [9, 3, 0]]), phone_lengths=torch.tensor([3, 2]),
        durations=torch.tensor([[4, 2, 3], [3, 4, 0]]), target=digits, lengths=torch.tensor([9, 7]),
        prompt=digits[:, :4], prompt_lengths=torch.tensor([4, 2]), speakers=("a", "b"), ids=("1", "2"),
    )  # fmt: skip
    batch = from_corpus(theirs, layout.pack)
    assert batch.lengths.tolist() == [7, 7]
    assert batch.ends.tolist() == [[2.0, 4.0, 7.0], [3.0, 7.0, 7.0]]
    assert torch.equal(layout.unpack(batch.codes[0, :7]), digits[0, 2:])
    assert torch.equal(layout.unpack(batch.enrolled[1, :2]), digits[1, :2])


def test_no_aid_is_needed_to_compute_the_paper_loss_and_none_acts_in_evaluation() -> None:
    torch.manual_seed(0)
    batch, model = example(0), LiveSpeech(DESIGN)
    plain = Recipe(DESIGN, Settings(), strength=0.1)
    assert set(losses(model.eval(), plain, layout.vectors, batch)) == {"loss", "nats", "first", "last"}
    aided = dataclasses.replace(plain, guide=1.0, hide=0.9)
    found = losses(model.eval(), aided, layout.vectors, batch)
    first = losses(model, plain, layout.vectors, batch)
    torch.testing.assert_close(found["nats"], first["nats"])
    torch.testing.assert_close(found["loss"], first["loss"] + found["guide"])
    hidden = losses(model.train(), aided, layout.vectors, batch)
    assert not torch.allclose(hidden["nats"], first["nats"])


def test_rows_without_a_voice_do_not_depend_on_it_in_training_alone() -> None:
    torch.manual_seed(0)
    batch, model = example(0), LiveSpeech(DESIGN)
    other = batch._replace(enrolled=batch.enrolled.flip(1))
    always = Recipe(DESIGN, Settings(), strength=0.1, voiceless=1.0)

    def nats(given: Batch) -> torch.Tensor:
        return losses(model, always, layout.vectors, given)["nats"]

    model.train()
    torch.testing.assert_close(nats(batch), nats(other), atol=0, rtol=0)
    model.eval()
    assert nats(batch) != nats(other)
    model.train()
    assert torch.isfinite(nats(batch._replace(symbols=torch.zeros_like(batch.symbols)))), "neither text nor voice"


def test_training_lowers_the_loss_goes_on_where_it_stopped_and_is_saved_whole(tmp_path: Path) -> None:
    settings = Settings(steps=16, lr=4e-3, warmup=2, bf16=False, eval_every=8, save_every=8, log_every=4, floor=1.0)
    recipe = dataclasses.replace(SMALL_RECIPE, design=DESIGN, settings=settings)
    held = [example(999)]
    whole = fit(recipe, example, held, layout.vectors, tmp_path / "whole", progress=False)
    half = dataclasses.replace(recipe, settings=dataclasses.replace(settings, steps=8))
    fit(half, example, held, layout.vectors, tmp_path / "parts", progress=False)
    parts = fit(recipe, example, held, layout.vectors, tmp_path / "parts", progress=False)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, atol=1e-6, rtol=1e-5)
    nats = [float(row["value"]) for row in read_log(tmp_path / "whole") if row["name"] == "nats"]
    assert nats[-1] < 0.9 * nats[0]
    save(whole, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors")
    assert again.design == DESIGN
    before = losses(whole.eval(), recipe, layout.vectors, held[0])["nats"]
    torch.testing.assert_close(losses(again, recipe, layout.vectors, held[0])["nats"], before, atol=2e-2, rtol=1e-2)


def test_files_that_are_no_checkpoint_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ttsbench train livespeech"):
        load(tmp_path / "none.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors: no design"):
        load(tmp_path / "other.safetensors")


def test_the_small_preset_fits_in_a_checkpoint_and_keeps_its_groups() -> None:
    with torch.device("meta"):
        model = LiveSpeech(SMALL)
    weights = sum(p.numel() for name, p in model.named_parameters() if "digits" not in name)
    assert 2 * weights < 16e6
    assert SMALL.groups > 1
    assert SMALL_RECIPE.strength > 0
