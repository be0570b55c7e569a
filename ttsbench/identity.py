"""What makes two runs the same run: only then is one resumed. Kept in run.json under `identity`."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ttsbench import systems
from ttsbench.execute import Failed, WorkerError
from ttsbench.execute.local import LOG, run_tasks
from ttsbench.records import Card, TestSet
from ttsbench.store import StoreError

LINES = 40  # the last ones that a system printed, shown where it cannot be loaded
WORDS = ("about", "licence", "paper", "price", "price_source")  # fields of a card that change nothing of what is spoken


def identity(spec: str, card: Card, testset: TestSet, seed: int) -> dict[str, str]:
    """Everything that changes what is spoken, by name: spec, card, code, weights, test set, seed."""
    behind = systems.identity(spec)
    return {
        "spec": spec,
        **{f"card.{name}": str(value) for name, value in asdict(card).items() if name not in WORDS},
        "code": behind["code"],
        **{f"weights {name}": digest for name, digest in behind["weights"].items()},
        "test set": testset.digest,
        "seed": "" if systems.is_recorded(spec) else str(seed),  # recordings are what they are
    }


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What changed, such as "seed '0' -> '1'"; [] for the same run."""
    names = dict.fromkeys([*before, *now])
    absent = "none"
    return [
        f"{name} {before.get(name, absent)!r} -> {now.get(name, absent)!r}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def card_of(spec: str) -> Card:
    """The card of a system: from its file, or of a Python class asked in a process of its own, once.

    Raises UserError with what is wrong and what to do.
    """
    card = systems.card(spec)
    if card is None:
        systems.check(spec)
        card = _asked(spec, systems.identity(spec)["code"])
    return card


@functools.cache
def _asked(spec: str, code: str) -> Card:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / LOG
        try:
            outcome = next(outcome for _, outcome in run_tasks([None], _card, (spec,), log=log))
        except WorkerError as fault:
            outcome = Failed(str(fault))
        printed = log.read_text("utf-8", "replace").splitlines()[-LINES:] if log.exists() else []
    if isinstance(outcome, Failed):
        raise StoreError("\n".join([f"system {spec} cannot be loaded: {outcome.reason}", *printed]))
    return outcome


def _card(spec: str) -> Callable[[None], Card]:
    system = systems.load(spec)
    return lambda task: system.card
