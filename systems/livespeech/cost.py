"""What full-size LiveSpeech costs for some seconds of speech, counted on the meta device."""

from __future__ import annotations

import torch

from ttsbench.records import Cost
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.livespeech.design import PAPER_GROUPS
from ttsbench.systems.livespeech.model import LiveSpeech, Memory
from ttsbench.systems.nn.counting import Count, count, once

PROMPT_SECONDS, CHARACTERS_A_SECOND = 3.0, 15.0


def costs(seconds: float) -> tuple[list[Cost], int]:
    """Costs of the parts and the parameters of the model with eight groups.

    A step reads one frame in the shared layers and one for each group in the others. Cross-attention reads the same
    memory in every step: its products grow with the text, and are counted with the linear part of a step.
    """
    design = PAPER_GROUPS
    frames = round(seconds * design.frame_rate) + design.count - 1  # the delay pattern's last frames
    memory_size = design.enrolled + round(seconds * CHARACTERS_A_SECOND)
    codec = EnCodec(design.count)  # small, and its padding reads sizes off tensors: it runs for real
    codes = torch.zeros(1, round(seconds * design.frame_rate), design.count, dtype=torch.long)
    decoding = once("codec decoder", "codec", lambda: codec.decode(codes))
    with torch.device("meta"):
        model = LiveSpeech(design)
        rows = torch.zeros(1, 1, design.count, dtype=torch.long)
        memory = Memory(torch.zeros(1, memory_size, design.dim))
        features = torch.zeros(1, round(PROMPT_SECONDS * design.frame_rate), design.features)

        def steps(length: int) -> Count:
            return count(lambda: model(rows.expand(1, length, -1), memory))

        # a padding row is put in front, so that n rows are n + 1 positions: attention = own * n^2 + each * n,
        # linear = position * n + memory
        two, four = steps(1), steps(3)
        own = (four.attention - 2 * two.attention) // 8
        each = (two.attention - 4 * own) // 2
        position = (four.linear - two.linear) // 2
        parts = [
            Cost("decoder", "model", position + each, 2 * own, 0, 0, frames),
            Cost("keys and values of text and voice", "model", two.linear - 2 * position),
            decoding,
            once("speech encoder", "prompt", lambda: model.enrollment(features)),
        ]
    return parts, sum(parameter.numel() for parameter in model.parameters())
