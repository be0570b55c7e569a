"""The one training loop: bf16, clipping, EMA, a schedule, exact resume, CSV log and plot, keeps the best.

Everything random is drawn from (seed, step): `batches(step)` is a function, and torch is seeded anew at every step. So
a run that was killed and goes on from its last saved state ends with the same weights, bit for bit, as one left alone.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ttsbench.systems.nn.precision import has_bf16
from ttsbench.systems.training import curves, log

Loss = dict[str, Tensor]  # the first entry is minimised, the rest is only logged
Judge = Callable[[nn.Module], dict[str, float]]
Judges = tuple[Judge | None, Judge | None]


@dataclass(frozen=True)
class Settings:
    """`minutes` ends the run (and its schedule) by the clock where that comes before `steps`; exact resume is only
    promised without it. The learning rate rises over `warmup` steps, then falls along a half cosine (or a line) to
    `floor` of itself, from `hold` (share of the run) on. A step adds up the gradients of `accumulate` batches: what
    several devices share in a publication, one device does in a row.
    """

    steps: int = 10_000
    minutes: float | None = None
    lr: float = 1e-3
    floor: float = 0.02
    hold: float = 0.0
    warmup: int = 200
    decay: Literal["cosine", "linear"] = "cosine"
    accumulate: int = 1
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    bf16: bool = True
    seed: int = 0
    log_every: int = 50
    eval_every: int = 1000
    listen_every: int = 1000
    save_every: int = 500


def seldom(settings: Settings) -> Settings:
    """The same run for a GPU, whose steps are short: logged, judged and saved less often."""
    return replace(settings, log_every=100, eval_every=2000, listen_every=2000, save_every=2000)


@dataclass
class _Run:
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_of: str = ""  # the name of the number that `best` is
    sums: dict[str, float] = field(default_factory=dict)  # of the losses since the last log line


def train(
    model: nn.Module,
    batches: Callable[[int], Any],
    loss: Callable[[Any, int], Loss],
    settings: Settings,
    folder: Path,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    also: Sequence[Any] = (),
    say: Callable[[str], None] | None = None,
    progress: bool = True,
    listen: Callable[[nn.Module], dict[str, float]] | None = None,
) -> nn.Module:
    """Train `model` in place and return it with its averaged (EMA) weights; goes on from `folder` if it holds a run.

    `batches(n)` gives the n-th batch (one a step, or `accumulate` of them); `loss(batch, n)` its losses (the first is
    minimised, under bf16 autocast where the device has units for it). Batches are moved to the model's device.
    `evaluate(model)` sees the averaged weights; its first number is minimised to keep `best.safetensors`, or that of
    `listen(model)` where that is given: it costs more, and is asked every `listen_every` steps. `also`: other objects
    with `state_dict`, saved along (a discriminator and its optimiser). Writes state.pt, log.csv, curve.png,
    last.safetensors (averaged weights). Raises FloatingPointError where the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    optimiser = torch.optim.AdamW(
        _groups(model, settings), lr=settings.lr, betas=settings.betas, fused=device.type == "cuda"
    )
    average = {name: value.detach().clone().float() for name, value in model.state_dict().items()}
    run = _load(folder, model, optimiser, average, also)
    bar = _bar(settings, run) if progress else None
    say = _beside(bar, say)
    began = time.monotonic() - run.seconds
    while run.step < settings.steps:
        done = max(run.step / settings.steps, run.seconds / 60 / settings.minutes if settings.minutes else 0.0)
        if done >= 1.0:
            break
        rate = settings.lr * schedule(done, run.step, settings)
        for group in optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(settings.seed * 1_000_003 + run.step)
        model.train()
        optimiser.zero_grad(set_to_none=True)
        losses = _gradients(batches, loss, run.step, settings, device)
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        if torch.isfinite(norm):
            optimiser.step()
        run.step += 1
        run.seconds = time.monotonic() - began
        _follow(average, model, min(settings.ema, (1 + run.step) / (10 + run.step)))
        for name, value in losses.items():
            run.sums[name] = run.sums.get(name, 0.0) + value
        if bar is not None:
            bar.update(1 if settings.minutes is None else run.seconds / 60 - bar.n)
        if run.step % settings.log_every == 0:
            means = {name: value / settings.log_every for name, value in run.sums.items()}
            log.add(folder, run.step, run.seconds, rate, means)
            run.sums = {}
            if say is not None:
                say(f"step {run.step} {run.seconds / 60:.1f} min " + " ".join(f"{k} {v:.4f}" for k, v in means.items()))
        judges = _due(run.step, settings, evaluate, listen)
        if any(judges):
            _evaluate(folder, run, model, average, judges, listen is None, say)
        if run.step % settings.save_every == 0:
            _save(folder, run, model, optimiser, average, also)
    if any(judges := _left(run.step, settings, evaluate, listen)):
        _evaluate(folder, run, model, average, judges, listen is None, say)
    _save(folder, run, model, optimiser, average, also)
    if bar is not None:
        bar.close()
    model.load_state_dict({k: v.to(model.state_dict()[k].dtype) for k, v in average.items()})
    return model.eval()


def _gradients(
    batches: Callable[[int], Any],
    loss: Callable[[Any, int], Loss],
    step: int,
    settings: Settings,
    device: torch.device,
) -> dict[str, float]:
    """Add up a step's gradients; the losses, means over its batches."""
    means: dict[str, float] = {}
    for number in range(step * settings.accumulate, (step + 1) * settings.accumulate):
        batch = moved(batches(number), device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.bf16 and has_bf16(str(device))):
            losses = loss(batch, number)
        total = next(iter(losses.values()))
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {step}: loss {total.item()}; lower lr ({settings.lr}) and start again")
        (total / settings.accumulate).backward()
        for name, value in losses.items():
            means[name] = means.get(name, 0.0) + float(value.detach()) / settings.accumulate
    return means


def moved(batch: Any, device: torch.device | str) -> Any:
    """A batch with its tensors on `device`: a tensor, or tuples and dataclasses that hold some."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple):
        parts = [moved(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{item.name: moved(getattr(batch, item.name), device) for item in fields(batch)})
    return batch


def schedule(done: float, step: int, settings: Settings) -> float:
    """The share of the peak learning rate: linear warm-up times half a cosine, or a line, over the share `done`."""
    fallen = min(1.0, max(0.0, done - settings.hold) / (1 - settings.hold))
    left = 1 - fallen if settings.decay == "linear" else 0.5 * (1 + math.cos(math.pi * fallen))
    return min(1.0, (step + 1) / max(1, settings.warmup)) * (settings.floor + (1 - settings.floor) * left)


def _groups(model: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and scales do not."""
    groups: dict[float, list[Tensor]] = {}
    for weight in model.parameters():
        if weight.requires_grad:
            groups.setdefault(settings.weight_decay if weight.ndim > 1 else 0.0, []).append(weight)
    return [{"params": weights, "weight_decay": decay} for decay, weights in groups.items()]


@torch.no_grad()
def _follow(average: dict[str, Tensor], model: nn.Module, share: float) -> None:
    """Move the average towards the weights; buffers (codebooks) and frozen weights are copied."""
    moving = {name for name, p in model.named_parameters() if p.requires_grad}
    for name, value in model.state_dict().items():
        if name in moving:
            average[name].lerp_(value.float(), 1 - share)
        elif value.is_floating_point():
            average[name].copy_(value)
        else:
            average[name] = value.detach().clone()


def _due(step: int, settings: Settings, evaluate: Judge | None, listen: Judge | None) -> Judges:
    """Who is asked after this step."""
    looks, listens = step % settings.eval_every == 0, step % settings.listen_every == 0
    return evaluate if looks else None, listen if listens else None


def _left(step: int, settings: Settings, evaluate: Judge | None, listen: Judge | None) -> Judges:
    """Who was not asked after the last step."""
    looked, listened = _due(step, settings, evaluate, listen)
    return None if looked else evaluate, None if listened else listen


def _evaluate(
    folder: Path,
    run: _Run,
    model: nn.Module,
    average: dict[str, Tensor],
    judges: Judges,
    by_loss: bool,
    say: Callable[[str], None] | None,
) -> None:
    """Log what the judges say of the averaged weights, and keep those if they are the best."""
    own = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict({name: average[name].to(value.dtype) for name, value in own.items()})
    model.eval()
    evaluate, listen = judges
    with torch.no_grad():
        found = evaluate(model) if evaluate is not None else {}
        heard = listen(model) if listen is not None else {}
    for name, value in list((found if by_loss else heard).items())[:1]:
        if value < run.best or name != run.best_of:
            run.best, run.best_of = value, name
            export(model.state_dict(), folder / "best.safetensors")
    model.load_state_dict(own)
    found |= heard
    log.add(folder, run.step, run.seconds, 0.0, {f"eval_{name}": value for name, value in found.items()})
    curves.plot(folder)
    if say is not None:
        say(f"step {run.step} eval " + " ".join(f"{k} {v:.4f}" for k, v in found.items()))


def export(weights: dict[str, Tensor], path: Path, half: bool = False) -> None:
    """Write weights as safetensors, whole or not at all; `half` stores floats as fp16."""
    from safetensors.torch import save_file

    part = path.with_name(f".{path.name}.part")
    floats = torch.float16 if half else torch.float32
    ready = {
        k: (v.to(floats) if v.is_floating_point() else v).detach().cpu().contiguous().clone()
        for k, v in weights.items()
    }
    save_file(ready, part)
    os.replace(part, path)


def _save(
    folder: Path, run: _Run, model: nn.Module, optimiser: Any, average: dict[str, Tensor], also: Sequence[Any]
) -> None:
    state = {
        "run": asdict(run),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average,
        "also": [thing.state_dict() for thing in also],
    }
    part = folder / ".state.part"
    torch.save(state, part)
    os.replace(part, folder / "state.pt")
    export(average, folder / "last.safetensors")


def _load(folder: Path, model: nn.Module, optimiser: Any, average: dict[str, Tensor], also: Sequence[Any]) -> _Run:
    path = folder / "state.pt"
    if not path.is_file():
        (folder / "log.csv").unlink(missing_ok=True)
        return _Run()
    state = torch.load(path, map_location=next(model.parameters()).device, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    for thing, kept in zip(also, state["also"], strict=True):
        thing.load_state_dict(kept)
    run = _Run(**state["run"])
    log.cut(folder, run.step)
    return run


def _beside(bar: Any, say: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """`say`, or where a bar is drawn, a line above it."""
    if bar is None or bar.disable or say is None:
        return say
    return lambda line: bar.write(line, file=sys.stderr)


def _bar(settings: Settings, run: _Run) -> Any:
    """A bar over the steps, or over the minutes of a run that the clock ends; none where nobody watches."""
    from tqdm import tqdm

    if settings.minutes is None:
        return tqdm(total=settings.steps, initial=run.step, unit="step", disable=None)
    form = "{percentage:3.0f}%|{bar}| {n:.1f} of {total:.1f} min"
    return tqdm(total=settings.minutes, initial=run.seconds / 60, disable=None, bar_format=form)
