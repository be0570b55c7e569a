"""Small Llasa: written step by step as trained, batches as specified, and a toy language learned."""

from __future__ import annotations

import numpy as np
import torch

from ttsbench.systems.llasa import data, small, train
from ttsbench.systems.llasa.decoding import Sampling
from ttsbench.systems.nn.transformer import Watch

LEVELS = (4, 3, 5)  # two draws a frame: the first digit, then the others together
SIZE = small.Size(LEVELS, dim=32, layers=4, heads=2, hidden=64, digits=24, phones=10, pace=3.0)


def build() -> small.SmallLlasa:
    torch.manual_seed(0)
    return small.SmallLlasa(SIZE).eval()


def some_codes(*shape: int) -> torch.Tensor:
    return torch.stack([torch.randint(0, level, shape) for level in LEVELS], dim=-1)


def clip(seed: int, frames: int = 12, speaker: str = "a") -> data.Clip:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, level, frames) for level in LEVELS], axis=1)
    return data.Clip(rng.integers(1, 10, 4), np.linspace(frames / 4, frames, 4), codes, speaker)


@torch.no_grad()
def test_written_step_by_step_as_trained() -> None:
    model, codes = build(), some_codes(1, 9)
    texts = small.Texts(torch.tensor([[3, 4, 5, 1]]), small.places([2, 2], [0, 5], [2.5, 3.0])[None])
    full = model(texts, codes)
    cache, hidden = model.begin(texts, codes[:, :5])
    torch.testing.assert_close(hidden, full[:, 5], atol=1e-5, rtol=1e-5)
    branches = cache.fork(2, 4)
    for at in range(5, 9):
        hidden = model.read(codes[:, at].expand(2, -1), branches, at + 1)
        torch.testing.assert_close(hidden, full[:, at + 1].expand(2, -1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    model, codes = build(), some_codes(2, 9)
    texts = small.Texts(torch.tensor([[3, 4, 5, 1], [6, 2, 0, 0]]), torch.arange(4).float().expand(2, -1))
    alone = small.Texts(texts.phones[1:, :2], texts.positions[1:, :2])
    torch.testing.assert_close(model(texts, codes)[1:, :6], model(alone, codes[1:, :5]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_drawn_digits_follow_the_trained_chances() -> None:
    head = build().head
    hidden = torch.randn(1, 32)
    codes, over = head.sample(hidden.expand(30_000, -1), Sampling(1.0), torch.Generator().manual_seed(0))
    assert (codes < torch.tensor(LEVELS)).all()
    logits = head(hidden[None].expand(1, 2, -1), torch.tensor([[[2, 1, 0], [2, 0, 0]]]))[0]
    chances = logits.softmax(dim=-1)
    assert chances[:, 0, :5].sum() > 1.999  # the first digit has one more value: the end
    assert chances[:, 1, 3:].sum() < 1e-6
    first = torch.bincount(codes[~over, 0], minlength=4) / 30_000
    torch.testing.assert_close(first, chances[0, 0, :4], atol=0.02, rtol=0)
    torch.testing.assert_close(over.float().mean(), chances[0, 0, 4], atol=0.02, rtol=0)
    given = codes[~over & (codes[:, 0] == 2)]
    second = torch.bincount(given[:, 1], minlength=3) / len(given)
    torch.testing.assert_close(second, chances[0, 1, :3], atol=0.03, rtol=0)
    third = torch.bincount(given[:, 2], minlength=5) / len(given)
    torch.testing.assert_close(third, chances[0, 2, :5], atol=0.03, rtol=0)


def test_digits_drawn_together() -> None:
    assert small.grouped((16, 16, 8, 8, 8, 4, 4, 4, 4)) == [[0], [1], [2, 3], [4, 5], [6, 7, 8]]
    assert small.grouped((4, 3, 5)) == [[0], [1, 2]]


def test_pairs_are_laid_out_behind_each_other() -> None:
    rng = np.random.default_rng(2)
    two = [clip(1, 12), clip(2, 8)]
    phones, positions, codes, shares = data.example(two, 5.0, rng)
    assert len(codes) == 20
    assert len(phones) == 8
    np.testing.assert_array_equal(shares.sum(dim=1), np.ones(20))
    assert shares[:12, 4:].sum() == 0
    assert shares[12:, :4].sum() == 0
    np.testing.assert_allclose(positions[:4], (np.arange(4) + 0.5) * 3.0)  # the prompt's 12 frames for its 4 phones
    np.testing.assert_allclose(positions[4:], 12 + (np.arange(4) + 0.5) * 5.0)  # then the corpus' pace
    hidden = [data.example(two, 5.0, rng) for _ in range(60)]
    assert {len(item[0]) for item in hidden} == {4, 8}
    assert all(len(item[3][0]) == len(item[0]) for item in hidden)


def test_batches_depend_on_the_step_alone() -> None:
    clips = [clip(n, 8 + n % 7, speaker="ab"[n % 2]) for n in range(40)]
    at = data.batches(clips, 60, 3.0, pairs_from=3)
    one, again, other = at(5), at(5), at(6)
    assert torch.equal(one.codes, again.codes)
    assert torch.equal(one.holes, again.holes)
    assert not (one.codes.shape == other.codes.shape and torch.equal(one.codes, other.codes))
    assert 40 <= int(one.lengths.sum()) <= one.codes.shape[0] * one.codes.shape[1] <= 60
    assert int(at(0).lengths.max()) <= 14  # singles first
    assert max(int(at(step).lengths.max()) for step in range(3, 12)) > 14


def test_losses_count_every_digit_and_one_end() -> None:
    model = build()
    batch = data.collate([data.example([clip(1)], 3.0, np.random.default_rng(0))], np.random.default_rng(0))
    found = train.losses(model, batch, guide=0.0)
    with torch.no_grad():
        hidden = model(batch.texts, batch.codes, batch.holes)
        chances = model.head(hidden, torch.cat([batch.codes, torch.zeros(1, 1, 3, dtype=torch.long)], dim=1))
    chances = chances.log_softmax(dim=-1)[0]
    wanted = sum(float(chances[t, d, batch.codes[0, t, d]]) for t in range(12) for d in range(3))
    wanted += float(chances[12, 0, LEVELS[0]])
    np.testing.assert_allclose(float(found["nats"]), -wanted / 37, rtol=1e-4)


def test_it_learns_to_read_and_to_stop() -> None:
    """Every phone is three frames of its own code: after a short training it is read out and ended, unguided."""
    size = small.Size((4, 3), dim=32, layers=4, heads=2, hidden=64, digits=16, phones=10, pace=3.0)
    torch.manual_seed(1)
    model = small.SmallLlasa(size)
    rng = np.random.default_rng(0)

    def toy() -> data.Clip:
        phones = rng.integers(1, 10, rng.integers(3, 6))
        spoken = np.repeat(phones, 3)
        codes = np.stack([spoken % 4, spoken % 3], axis=1)
        return data.Clip(phones, np.arange(1, len(phones) + 1) * 3.0, codes, "a")

    clips = [toy() for _ in range(300)]
    at = data.batches(clips, 200, 3.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-3)
    for step in range(130):
        found = train.losses(model, at(step))
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert float(found["hits"]) > 0.9
    model.eval()
    right = 0
    for _ in range(10):
        spoken = toy()
        texts = small.Texts(torch.from_numpy(spoken.phones)[None], small.places([len(spoken.phones)], [0], [3.0])[None])
        cache, hidden = model.begin(texts, torch.zeros(1, 0, 2, dtype=torch.long))
        cache, said = cache.fork(1, 30), []
        for step in range(1, 31):
            codes, over = model.head.sample(hidden, Sampling(0), torch.Generator())
            if over:
                break
            said.append(codes[0].tolist())
            hidden = model.read(codes, cache, step)
        right += said == spoken.codes.tolist()
    assert right >= 8


def test_the_watched_weights_are_frames_over_phones() -> None:
    model, watch = build(), Watch(*small.GUIDED)
    batch = data.collate([data.example([clip(1)], 3.0, np.random.default_rng(0))], np.random.default_rng(0))
    model(batch.texts, batch.codes, watch=watch)
    assert all(weights.shape == batch.shares.shape for weights in watch.weights.values())
