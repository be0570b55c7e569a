"""MobileSpeech's sizes: those of the note on the paper, at full size and small, and as JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ttsbench.systems.mobilespeech.decoding import Settings, speak
from ttsbench.systems.mobilespeech.design import PAPER, SMALL, Design, passes
from ttsbench.systems.mobilespeech.model import MobileSpeech


def symbols(time: int, seed: int, design: Design) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, (time,), generator=generator) for size in design.columns], dim=-1)


def test_sizes_are_those_of_the_note() -> None:
    with torch.device("meta"):
        model = MobileSpeech(PAPER)

    def millions(*parts: torch.nn.Module) -> float:
        return sum(p.numel() for part in parts for p in part.parameters()) / 1e6

    # The note counts a position matrix per attention (0.26 M a block); ours is rotary and has none.
    assert millions(model.decoder) == pytest.approx(75.6 - 12 * 0.26, rel=0.02)
    assert millions(model.text_encoder) == pytest.approx(46.1, rel=0.02)
    assert millions(model.prompt_encoder) == pytest.approx(25.2 - 4 * 0.26, rel=0.02)
    assert millions(model.durations) == pytest.approx(11.3, rel=0.02)
    assert millions(model.symbols, model.heads) == pytest.approx(8.4, rel=0.02)
    assert millions(model) < 400
    assert passes("quality", 8) == (16, 1, 1, 1, 1, 1, 1, 1) and sum(passes("fast", 8)) == 15
    with torch.device("meta"):
        assert millions(MobileSpeech(SMALL)) < 8


def test_the_full_size_speaks_one_word() -> None:
    torch.manual_seed(0)
    model = MobileSpeech(replace(PAPER, text_layers=1, prompt_layers=1, duration_layers=1, decoder_layers=1)).eval()
    codes = speak(model, torch.tensor([7, 8, 9]), symbols(75, 0, PAPER), Settings(passes("phone", 8)), 0)
    assert codes.shape[1] == 8 and int(codes.min()) >= 0 and int(codes.max()) < 1024


def test_designs_survive_json() -> None:
    import json

    for design in (PAPER, SMALL, replace(SMALL, loss_weights=(1.0, 0.5, 0.5))):
        assert Design.from_dict(json.loads(json.dumps(design.to_dict()))) == design
