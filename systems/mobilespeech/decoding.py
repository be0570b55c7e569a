"""Speaking: durations once, then each level filled in from the surest frames to the least sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsbench.errors import UserError
from ttsbench.systems.mobilespeech.masking import remaining
from ttsbench.systems.mobilespeech.model import MobileSpeech, hide_from, whole_frames


@dataclass(frozen=True)
class Settings:
    """`passes` for each level; `temperature` and `top_k` of the draws; `noise` on the ranking, falling to 0;
    `pace` multiplies the durations. `guidance` (1: none; not in the paper) moves the logits so far away from what would
    be said in no voice at all, classifier-free guidance (Ho and Salimans 2022), for twice the work in a pass."""

    passes: tuple[int, ...]
    temperature: float = 1.0
    top_k: int = 50
    noise: float = 1.0
    pace: float = 1.0
    guidance: float = 1.0


Watch = Callable[[int, Tensor, Tensor], None]  # level, symbols (T, K), which frames are still hidden (T,)


@torch.inference_mode()
def speak(
    model: MobileSpeech, phones: Tensor, prompt: Tensor, settings: Settings, seed: int, watch: Watch | None = None
) -> Tensor:
    """Phone numbers (P,) and prompt symbols (R, K) to symbols (T, K). T is the sum of the rounded durations."""
    if len(settings.passes) != len(model.design.levels) or min(settings.passes) < 1:
        raise UserError(f"passes {settings.passes}: give 1 or more for each of {len(model.design.levels)} levels")
    generator = torch.Generator(device=phones.device).manual_seed(seed)
    text, mask = model.text(phones[None])
    heard, _ = model.hear(prompt[None], None)
    predicted = model.predict_durations(text, mask, heard, None)
    frames = whole_frames(predicted * settings.pace, mask)
    x, _, read = model.condition(text, frames, heard, None)
    if settings.guidance != 1.0:
        no_voice = model.condition(text, frames, model.hear(prompt[None], None, voiceless=True)[0], None)
        x, read = torch.cat([x, no_voice[0]]), torch.cat([read, no_voice[2]])
    codes = torch.zeros(x.shape[1], len(model.design.columns), dtype=torch.long, device=phones.device)
    for level in range(len(settings.passes)):
        fill(model, x, read, codes, level, settings, generator, watch)
    return codes


@torch.inference_mode()
def durations(model: MobileSpeech, phones: Tensor, prompt: Tensor) -> Tensor:
    """Whole frames (P,) of phone numbers (P,) after prompt symbols (R, K)."""
    text, mask = model.text(phones[None])
    return whole_frames(model.predict_durations(text, mask, *model.hear(prompt[None], None)), mask)[0]


def seconds_of(model: MobileSpeech, phones: Tensor, prompt: Tensor) -> float:
    """What the phones take by predicted durations."""
    return float(durations(model, phones, prompt).sum()) / model.design.frame_rate


@torch.inference_mode()
def without_prompt(model: MobileSpeech, phones: Tensor, prompt: Tensor, seconds: float) -> tuple[Tensor, float]:
    """Drop the phones that a prompt of so many seconds has said already, by predicted durations; also the seconds that
    are still to be dropped.
    """
    if seconds <= 0:
        return phones, 0.0
    ends = durations(model, phones, prompt).cumsum(0) / model.design.frame_rate
    return phones[ends > seconds], max(0.0, seconds - float(ends[-1]))


def fill(
    model: MobileSpeech,
    x: Tensor,
    read: Tensor,
    codes: Tensor,
    level: int,
    settings: Settings,
    generator: torch.Generator,
    watch: Watch | None = None,
) -> None:
    """Set the symbols of `level` in `codes` (T, K), in place. An accepted frame never changes again.

    `x` and `read` have a second row, without the voice, where the settings ask for guidance.
    """
    time, columns = len(codes), model.design.slice(level)
    hidden = torch.ones(time, dtype=torch.bool, device=codes.device)
    number = torch.tensor([level], device=codes.device)
    passes = settings.passes[level]
    for step, left in enumerate(remaining(time, passes), start=1):
        last = step == passes
        hide = hide_from(number, hidden[None], model.design)
        rows = len(x)
        states = model.states(x, None, read, None, codes.expand(rows, -1, -1), hide.expand(rows, -1, -1))
        logits = [_guided(part, settings.guidance) for part in model.logits(states, level)]
        chosen, logs = _draw_all(logits, settings, generator, last)
        sure = logs.sum(dim=-1)
        if not last:
            noise = settings.noise * (1 - step / passes)
            sure = sure + noise * _gumbel(sure.shape, generator, sure.device)
        sure = sure.masked_fill(~hidden, torch.inf)
        codes[:, columns] = torch.where(hidden[:, None], chosen, codes[:, columns])
        still = torch.zeros_like(hidden)
        still[sure.argsort()[:left]] = True
        hidden = still & hidden
        if watch is not None:
            watch(level, codes, hidden)


def _guided(logits: Tensor, guidance: float) -> Tensor:
    """Logits (1, T, size), or with those without a voice (2, T, size), to (T, size)."""
    return logits[0] if len(logits) == 1 else logits[1] + guidance * (logits[0] - logits[1])


def _draw_all(
    parts: list[Tensor], settings: Settings, generator: torch.Generator, greedy: bool
) -> tuple[Tensor, Tensor]:
    """Symbols (T, n) and their log-probabilities for n tensors (T, size); one draw where all sizes are equal."""
    if len({part.shape for part in parts}) == 1:
        symbols, logs = _draw(torch.stack(parts, dim=1).flatten(0, 1), settings, generator, greedy)
        return symbols.view(-1, len(parts)), logs.view(-1, len(parts))
    drawn = [_draw(part, settings, generator, greedy) for part in parts]
    return torch.stack([symbol for symbol, _ in drawn], dim=-1), torch.stack([log for _, log in drawn], dim=-1)


def _draw(logits: Tensor, settings: Settings, generator: torch.Generator, greedy: bool) -> tuple[Tensor, Tensor]:
    """A symbol for each frame of logits (T, size), and its log-probability."""
    logs = logits.log_softmax(dim=-1)
    if greedy:
        best = logs.max(dim=-1)
        return best.indices, best.values
    scaled = logits / settings.temperature
    if settings.top_k < scaled.shape[-1]:
        floor = scaled.topk(settings.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < floor, -torch.inf)
    drawn = torch.multinomial(scaled.softmax(dim=-1), 1, generator=generator)
    return drawn[:, 0], logs.gather(-1, drawn)[:, 0]


def _gumbel(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    uniform = torch.rand(shape, generator=generator, device=device).clamp(1e-9, 1 - 1e-7)
    return -torch.log(-torch.log(uniform))
