"""What full-size MobileSpeech costs for some seconds of speech, counted on the meta device."""

from __future__ import annotations

from dataclasses import replace

import torch

from ttsbench.records import Cost
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.mobilespeech.design import PAPER, passes
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.nn.counting import once

PROMPT_SECONDS, PHONES_A_SECOND = 3.0, 12.0


def costs(seconds: float, preset: str = "quality") -> tuple[list[Cost], int]:
    """Costs of the parts, the decoder once for every pass of the preset, and the model's parameters."""
    design = PAPER
    frames, heard_frames = round(seconds * design.frame_rate), round(PROMPT_SECONDS * design.frame_rate)
    phones = round(seconds * PHONES_A_SECOND)
    columns = len(design.columns)
    codec = EnCodec(columns)  # small, and its padding reads sizes off tensors: it runs for real
    decoding = once("codec decoder", "codec", lambda: codec.decode(torch.zeros(1, frames, columns, dtype=torch.long)))
    with torch.device("meta"):
        model = MobileSpeech(design)
        text = torch.zeros(1, phones, design.dim)
        mask = torch.ones(1, phones, dtype=torch.bool)
        heard = torch.zeros(1, heard_frames, design.dim)
        target = torch.zeros(1, frames, design.dim)
        codes = torch.zeros(1, frames, columns, dtype=torch.long)
        hide = torch.ones(1, frames, columns, dtype=torch.bool)
        one_pass = once("decoder", "model", lambda: model.states(target, None, heard, None, codes, hide))
        head = once("heads", "model", lambda: model.logits(target, 0))
        runs = sum(passes(preset, len(design.levels)))
        parts = [
            once("text encoder", "model", lambda: model.text_encoder(text, mask)),
            once("durations", "model", lambda: model.predict_durations(text, mask, heard, None)),
            once("prompt encoder", "prompt", lambda: model.prompt_encoder(heard, None)),
            once("text meets prompt", "model", lambda: model.cross(target, heard, None)),
            *(replace(part, name=f"{part.name}, {runs} passes", linear=part.linear * runs,
                      attention=part.attention * runs, norms=part.norms * runs) for part in (one_pass, head)),
            decoding,
        ]  # fmt: skip
    return parts, sum(parameter.numel() for parameter in model.parameters())
