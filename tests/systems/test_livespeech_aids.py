"""LiveSpeech's training aids: the guide knows where each codebook is, and teaches its heads to look there."""

from __future__ import annotations

import pytest
import torch

from ttsbench.systems.livespeech.aids import Guide, hidden_rows, later, shares_of
from ttsbench.systems.livespeech.design import Design
from ttsbench.systems.livespeech.loss import code_loss, delay
from ttsbench.systems.livespeech.model import LiveSpeech
from ttsbench.systems.nn.guide import phone_shares

DESIGN = Design(
    codebooks=(8, 8, 8, 8), features=6, symbols=9, frame_rate=50.0, dim=32, heads=4, hidden=64, shared_layers=2,
    group_layers=1, groups=2, enrolled=3, encoder_dim=16, encoder_layers=1, encoder_heads=2, encoder_hidden=24,
    spacing=2.0, digits=((4, 2),) * 4, dropout=0.0,
)  # fmt: skip


def test_shares_equal_those_of_one_utterance_and_move_with_the_delay() -> None:
    ends = torch.tensor([[1.0, 2.5, 4.0], [2.0, 3.0, 3.0]])
    shares = shares_of(ends, 5)
    torch.testing.assert_close(shares[0, :4], phone_shares(ends[0], 4))
    assert shares[1].tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    moved = later(shares, 2, 6)
    assert moved.shape == (2, 6, 3)
    assert float(moved[:, :2].abs().sum()) == 0.0
    torch.testing.assert_close(moved[:, 2:], shares[:, :4])
    torch.testing.assert_close(later(shares, 0, 7)[:, :5], shares)


def test_hidden_rows_stay_under_their_share() -> None:
    torch.manual_seed(0)
    assert not hidden_rows(4, 50, 0.0, torch.device("cpu")).any()
    share = hidden_rows(64, 400, 0.3, torch.device("cpu")).float().mean(1)
    assert 0.1 < float(share.mean()) < 0.2
    assert float(share.max()) < 0.4


def test_a_guided_model_learns_where_to_look_and_what_to_say() -> None:
    """Each symbol sounds for its own time and says its own codes: eighty steps must find both."""
    torch.manual_seed(0)
    model = LiveSpeech(DESIGN).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    symbols = torch.tensor([[1, 2, 3, 4, 5, 6], [6, 4, 2, 1, 3, 5], [2, 6, 1, 5, 4, 3], [5, 1, 4, 3, 6, 2]])
    ends = symbols.float().remainder(3).add(1).cumsum(1)
    frames = int(ends[:, -1].max())
    sounding = symbols.gather(1, shares_of(ends, frames).argmax(-1))
    codes = sounding[..., None] % torch.tensor([8, 7, 5, 4])
    lengths = ends[:, -1].long()
    found = []
    for _ in range(80):
        guide, memory = Guide(DESIGN), model.remember(torch.zeros(4, 2, 6), symbols)
        rows = delay(codes, lengths, DESIGN.pad, DESIGN.eos)[:, :-1]
        logits = model(rows, memory, watch_shared=guide.shared, watch_grouped=guide.grouped)
        loss, plain = code_loss(logits, codes, lengths, DESIGN.eos, strength=0.05)
        guided, hits = guide.compare(shares_of(ends, frames))
        optimiser.zero_grad()
        (loss + guided).backward()
        optimiser.step()
        found.append((float(plain.mean()), float(guided.detach()), hits))
    assert found[0][2] < 0.6
    assert found[-1][2] > 0.95
    assert found[-1][0] < 0.3 * found[0][0]
    assert found[-1][1] < 0.5 * found[0][1]


def test_every_group_is_guided_to_the_frame_of_its_own_codebooks() -> None:
    guide = Guide(DESIGN)
    shares = shares_of(torch.tensor([[2.0, 4.0]]), 4)
    looks = [later(shares, by, 7).clamp_min(1e-8) for by in (1, 0, 0, 2)]
    blank = torch.zeros(1, 7, DESIGN.enrolled)
    for key, weights in ((guide.where, looks[0]), (guide.what, looks[1])):
        guide.shared.weights[key] = torch.cat([blank, weights], dim=-1)
    guide.grouped.weights[guide.own] = torch.cat([blank.repeat(2, 1, 1), torch.cat(looks[2:])], dim=-1)
    loss, hits = guide.compare(shares)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert hits == 1.0
    guide.grouped.weights[guide.own] = guide.grouped.weights[guide.own].flip(0)
    assert float(guide.compare(shares)[0]) > 1.0
