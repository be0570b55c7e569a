"""What full-size Llasa costs for some seconds of speech, counted on the meta device."""

from __future__ import annotations

import torch

from ttsbench.records import Cost
from ttsbench.systems.codecs.xcodec2 import XCodec2, XCodec2Shape
from ttsbench.systems.llasa.core import SIZES, Llama
from ttsbench.systems.nn.counting import each_step, once

PREFIX = 60 + 150  # text and template tokens, and three seconds of prompt


def costs(seconds: float, size: str = "1b") -> tuple[list[Cost], int]:
    """Costs of the parts and the language model's parameters."""
    shape = XCodec2Shape()
    frames = round(seconds * shape.sample_rate / shape.hop)
    with torch.device("meta"):
        model, codec = Llama(SIZES[size]), XCodec2(shape)
        token = torch.zeros(1, 1, dtype=torch.long)
        hidden = torch.zeros(1, 1, SIZES[size].shape.dim)
        parts = [
            each_step("language model", "model", lambda: model.read(token), PREFIX, frames),
            each_step("output matrix", "head", lambda: model.head(hidden), 0, frames),
            once("codec decoder", "codec", lambda: codec.synthesize(torch.zeros(1, frames, shape.joint))),
        ]
    return parts, sum(parameter.numel() for parameter in model.parameters())
