from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ttsbench.errors import UserError
from ttsbench.systems import packing
from ttsbench.systems.training.curves import draw
from ttsbench.systems.training.log import read_log
from ttsbench.systems.training.trainer import Settings, schedule, train
from ttsbench.systems.training.warm import begin_from

SETTINGS = Settings(steps=30, lr=1e-2, warmup=3, log_every=5, eval_every=10, save_every=4, seed=7)


class Killed(Exception):
    pass


def fit(folder: Path, die_at: int | None = None, settings: Settings = SETTINGS) -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.2), nn.BatchNorm1d(16), nn.Linear(16, 1))

    def batches(step: int) -> torch.Tensor:
        if step == die_at:
            raise Killed
        return torch.randn(8, 4)

    def loss(batch: torch.Tensor, step: int) -> dict[str, torch.Tensor]:
        return {"total": (model(batch + 0.1 * torch.randn_like(batch)) - batch.sum(1, keepdim=True)).square().mean()}

    def judge(m: nn.Module) -> dict[str, float]:
        x = torch.arange(32.0).reshape(8, 4) / 32
        return {"error": float((m(x) - x.sum(1, keepdim=True)).square().mean())}

    return train(model, batches, loss, settings, folder, judge, progress=False)


def test_killed_and_resumed_equals_left_alone_bit_for_bit(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole")
    with pytest.raises(Killed):
        fit(tmp_path / "killed", die_at=18)
    again = fit(tmp_path / "killed")
    for (name, one), two in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    for name in ("last.safetensors", "best.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    logs = [[(r["step"], r["name"], r["value"]) for r in read_log(tmp_path / f)] for f in ("whole", "killed")]
    assert logs[0] == logs[1] and len(logs[0]) == 9


def test_it_learns_and_draws_the_curve(tmp_path: Path) -> None:
    fit(
        tmp_path,
        settings=Settings(steps=200, lr=1e-2, warmup=3, log_every=20, eval_every=20, save_every=200, bf16=False),
    )
    # dropout and a moving norm keep some error; the drop is what counts
    errors = [float(r["value"]) for r in read_log(tmp_path) if r["name"] == "eval_error"]
    assert min(errors) < 0.6 * errors[0]
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_what_is_heard_picks_the_best_weights(tmp_path: Path) -> None:
    model, rates = nn.Linear(2, 1), iter([0.5, 0.2, 0.4, 0.2])
    heard: list[torch.Tensor] = []

    def listen(module: nn.Module) -> dict[str, float]:
        heard.append(module.state_dict()["weight"].clone())
        return {"wer": next(rates)}

    train(
        model, lambda n: torch.randn(4, 2), lambda b, n: {"total": model(b).square().mean()},
        Settings(steps=20, listen_every=6, eval_every=5, warmup=1), tmp_path,
        lambda m: {"loss": float(m.state_dict()["weight"].square().sum())}, listen=listen, progress=False,
    )  # fmt: skip
    rows = [(row["step"], row["name"], float(row["value"])) for row in read_log(tmp_path)]
    assert [row for row in rows if row[1] == "eval_wer"] == [
        (str(step), "eval_wer", rate) for step, rate in ((6, 0.5), (12, 0.2), (18, 0.4), (20, 0.2))
    ]
    assert [step for step, name, _ in rows if name == "eval_loss"] == ["5", "10", "15", "20"]
    assert torch.equal(load_file(tmp_path / "best.safetensors")["weight"], heard[1])


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    data = torch.randn(12, 3)

    def fitted(folder: Path, count: int, accumulate: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        settings = Settings(steps=2, accumulate=accumulate, bf16=False, warmup=1, ema=0.0)
        train(
            model, lambda n: (data[n * count : (n + 1) * count],), lambda b, n: {"total": model(b[0]).square().mean()},
            settings, folder, progress=False,
        )  # fmt: skip
        return model.weight.detach()

    torch.testing.assert_close(fitted(tmp_path / "one", 6, 1), fitted(tmp_path / "three", 2, 3))


def test_the_clock_ends_a_run(tmp_path: Path) -> None:
    fit(tmp_path, settings=Settings(steps=10**9, minutes=0.01, log_every=5, save_every=10**9))
    assert (tmp_path / "last.safetensors").is_file()


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(FloatingPointError, match="step 0"):
        train(
            model,
            lambda step: torch.full((1, 2), float("inf")),
            lambda b, s: {"total": model(b).sum() * 0},
            SETTINGS,
            tmp_path,
            progress=False,
        )


def test_schedule_rises_holds_and_falls() -> None:
    settings = Settings(warmup=10, hold=0.5, floor=0.1)
    assert schedule(0.0, 0, settings) == pytest.approx(0.1)
    assert schedule(0.3, 100, settings) == pytest.approx(1.0)
    assert schedule(1.0, 100, settings) == pytest.approx(0.1)


def test_curves_of_several_runs_in_one_picture(tmp_path: Path) -> None:
    fit(tmp_path / "a")
    draw(
        [("a", tmp_path / "a", ["total", "eval_error"]), ("nothing yet", tmp_path / "b", ["total"])], tmp_path / "c.png"
    )
    assert (tmp_path / "c.png").stat().st_size > 2000


def test_a_model_begins_with_what_another_checkpoint_has_of_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = nn.ModuleDict({"table": nn.Embedding(3, 4), "layer": nn.Linear(4, 4), "odd": nn.Linear(5, 4)})
    own = nn.ModuleDict({"table": nn.Embedding(5, 4), "layer": nn.Linear(4, 4), "odd": nn.Linear(6, 4)})
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = tmp_path / "other.safetensors"
    packing.save(other.state_dict(), path)
    assert begin_from(own, path) == ["odd.weight"]
    close = {"atol": 2e-3, "rtol": 1e-2}
    torch.testing.assert_close(own["layer"].weight, other["layer"].weight, **close)
    torch.testing.assert_close(own["table"].weight[:3], other["table"].weight, **close)
    torch.testing.assert_close(own["table"].weight[3:], before["table.weight"][3:])
    assert begin_from(own, None) == []
    with pytest.raises(UserError, match="holds nothing of this model"):
        begin_from(nn.ModuleDict({"else": nn.Linear(2, 2)}), path)
    with pytest.raises(FileNotFoundError):
        begin_from(own, tmp_path / "none.safetensors")
