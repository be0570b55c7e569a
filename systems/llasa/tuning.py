"""Trains or fine-tunes full-size Llasa with the published settings (papers/llasa.md 3.2).

model = core.load(folder, "cuda", torch.float32)
tune(model, rows, Path("run"))                # rows: `row(tokenizer, text, codes)` of every utterance
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ttsbench.systems.llasa import prompt
from ttsbench.systems.llasa.core import SPEECH, Llama
from ttsbench.systems.training.trainer import Settings, train

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTEXT = 2048
UNLABELLED = -100
# The published run is 2 epochs of 40 x 8 sequences; `steps` is yours to set, the rest is theirs.
PAPER = Settings(
    steps=10_000, lr=5e-5, floor=0.1, warmup=300, betas=(0.9, 0.95), weight_decay=0.01, clip=1.0, ema=0.0, bf16=True
)


@dataclass(frozen=True)
class Row:
    """Token ids and labels, each (length,); labels are -100 where nothing is learned."""

    ids: Tensor
    labels: Tensor


def row(tokenizer: Tokenizer, text: str, codes: Sequence[int], length: int = CONTEXT) -> Row:
    """One utterance: prompt, speech, its end, and end-of-turn to fill up; cut at `length`.

    Learned are the tokens from the mark where speech begins to the mark where it ends.
    """
    before = prompt.encode(tokenizer, prompt.join("", text))
    filler = tokenizer.token_to_id("<|eot_id|>")
    if filler is None:
        raise ValueError("the tokenizer has no <|eot_id|>: it is not a Llama 3 tokenizer")
    ids = torch.full((length,), filler)
    said = torch.tensor([*before, *(SPEECH + int(code) for code in codes), prompt.END])[:length]
    ids[: len(said)] = said
    labels = torch.full((length,), UNLABELLED)
    labels[len(before) - 1 : len(said)] = said[len(before) - 1 :]
    return Row(ids, labels)


def loss(model: Llama, ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Next-token cross-entropy in nats over the labelled tokens; ids and labels (batch, length)."""
    hidden = model.read(ids)[:, :-1]
    learned = labels[:, 1:] != UNLABELLED  # the output matrix is wide: only what is learned goes through it
    return {"nats": F.cross_entropy(model.head(hidden[learned]).float(), labels[:, 1:][learned])}


def tune(
    model: Llama,
    rows: Sequence[Row],
    folder: Path,
    settings: Settings = PAPER,
    sequences: int = 8,
    say: Callable[[str], None] | None = None,
) -> Llama:
    """Train on `rows`, `sequences` a step, in an order drawn from the seed; goes on where `folder` stopped."""
    device = model.embedding.device

    def batch(step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step * sequences, len(rows))
        orders = [np.random.default_rng((settings.seed, epoch + n)).permutation(len(rows)) for n in (0, 1)]
        chosen = np.concatenate(orders)[np.arange(place, place + sequences) % (2 * len(rows))]
        picked = [rows[index] for index in chosen]
        return torch.stack([r.ids for r in picked]).to(device), torch.stack([r.labels for r in picked]).to(device)

    model.requires_grad_(True)
    train(model, batch, lambda pair, _: loss(model, *pair), settings, folder, say=say, progress=False)
    return model
