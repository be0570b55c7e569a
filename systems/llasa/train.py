"""Trains small Llasa: next-frame cross-entropy, and the attention guide that acts in training only."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ttsbench.systems.llasa.data import Batch
from ttsbench.systems.llasa.small import GUIDED, SmallLlasa
from ttsbench.systems.nn.guide import guide_loss, hit_rate
from ttsbench.systems.nn.transformer import Watch

GUIDE = 0.3  # weight of each guided head


def losses(model: SmallLlasa, batch: Batch, guide: float = GUIDE) -> dict[str, torch.Tensor]:
    """What is minimised, then what is logged: cross-entropy a digit in nats, the guide, the guided heads' hits."""
    watch = Watch(*GUIDED) if guide else None
    hidden = model(batch.texts, batch.codes, batch.holes, watch)
    codes = F.pad(batch.codes, (0, 0, 0, 1))
    logits = model.head(hidden, codes)
    steps = torch.arange(codes.shape[1])[None]
    ends = steps == batch.lengths[:, None]
    targets = codes.masked_fill((steps > batch.lengths[:, None])[..., None], -1)
    targets = targets.masked_fill(ends[..., None], -1)
    targets[..., 0] = targets[..., 0].masked_fill(ends, model.size.levels[0])
    entropy = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=-1)
    if watch is None:
        return {"loss": entropy, "nats": entropy}
    past = F.pad(batch.shares, (0, 0, 1, 0))[:, :-1]  # what sounded in the previous frame
    before, now = (watch.weights[head] for head in GUIDED)
    guided = guide_loss(before, past) + guide_loss(now, batch.shares)
    hits = torch.tensor(hit_rate(now.detach(), batch.shares))
    return {"loss": entropy + guide * guided, "nats": entropy, "guide": guided, "hits": hits}
