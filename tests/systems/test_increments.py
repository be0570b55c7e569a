"""A further leg of training as three-valued steps: what is trained is what is written and read, to the last digit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from ttsbench.systems import increments


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(96, 64)
        self.kernel = nn.Conv1d(64, 64, 3)
        self.table = nn.Parameter(torch.randn(4, 40, 32))
        self.small = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.kernel(torch.tanh(self.wide(x)).transpose(1, 2)).transpose(1, 2)
        return torch.cat([self.small(hidden).flatten(1), (hidden[..., :32] @ self.table[0].T).flatten(1)], dim=1)


@pytest.fixture
def pair() -> tuple[Model, Model]:
    torch.manual_seed(0)
    base, trained = Model(), Model()
    with torch.no_grad():
        for old, new in zip(base.parameters(), trained.parameters(), strict=True):
            new.copy_(old + 0.01 * torch.randn_like(old))
    return base, trained


def test_what_is_read_back_is_what_was_trained(pair: tuple[Model, Model], tmp_path: Path) -> None:
    base, trained = pair
    x, file, steps = torch.randn(3, 7, 96), tmp_path / "base.safetensors", tmp_path / "steps.safetensors"
    save_file(base.state_dict(), file)
    increments.start(base, trained.state_dict())
    optimiser = torch.optim.Adam(base.parameters(), lr=1e-3)
    before = increments_of(base)
    for _ in range(5):
        optimiser.zero_grad()
        (base(x) - trained(x)).square().mean().backward()
        optimiser.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, increments_of(base), strict=True))  # steps are trained
    increments.finish(base, steps, file)
    kept = {name.removesuffix(".steps") for name in load_file(steps) if name.endswith(".steps")}
    assert kept == {"kernel.weight", "table", "wide.weight"}  # small.weight has 128 values: stored whole
    fresh = Model()
    fresh.load_state_dict(increments.add(load_file(file), steps, file))
    torch.testing.assert_close(fresh(x), base(x), atol=2e-3, rtol=2e-3)  # scales and what is small went through fp16
    weights = sum(value.numel() for name, value in fresh.named_parameters() if name in kept)
    assert steps.stat().st_size < weights / 5 + 4000


def increments_of(model: Model) -> list[torch.Tensor]:
    return [model.wide.weight.detach().clone(), model.kernel.weight.detach().clone(), model.table.detach().clone()]


def test_steps_begin_nearer_to_the_trained_weights_than_the_base(pair: tuple[Model, Model]) -> None:
    base, trained = pair
    far = (base.wide.weight - trained.wide.weight).square().mean().item()
    increments.start(base, trained.state_dict())
    assert (base.wide.weight - trained.wide.weight).square().mean().item() < 0.25 * far


def test_another_base_and_another_model_are_refused(pair: tuple[Model, Model], tmp_path: Path) -> None:
    base, trained = pair
    file, other, steps = (tmp_path / f"{name}.safetensors" for name in ("base", "other", "steps"))
    save_file(base.state_dict(), file)
    save_file(trained.state_dict(), other)
    increments.start(base, trained.state_dict())
    increments.finish(base, steps, file)
    with pytest.raises(ValueError, match="belongs to another other"):
        increments.add(load_file(other), steps, other)
    with pytest.raises(ValueError, match="does not fit"):
        increments.add({"wide.weight": torch.zeros(3, 96), "unknown": torch.zeros(3)}, steps, file)


@given(st.lists(st.integers(-1, 1), max_size=70))
def test_five_steps_in_a_byte_come_back(values: list[int]) -> None:
    packed = increments.pack_steps(torch.tensor(values))
    assert len(packed) == -(-len(values) // 5)
    assert increments.unpack_steps(packed, len(values)).tolist() == values
