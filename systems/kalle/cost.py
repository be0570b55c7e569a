"""What full-size KALL-E costs for some seconds of speech, counted on the meta device."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ttsbench.records import Cost
from ttsbench.systems.codecs.flowvae_full import FlowVAE
from ttsbench.systems.kalle.model import RELEASED, Kalle
from ttsbench.systems.nn.counting import each_step, once

PREFIX = 40 + 38  # text tokens and the latents of three seconds of prompt


def costs(seconds: float) -> tuple[list[Cost], int]:
    """Costs of the parts and the language model's parameters.

    The published figure is met to its last digit with two heads: the Gaussian one on every position that is read, and
    Llama's unused output matrix on the last position of each step and once more for the stop. That split is a fit.
    """
    with torch.device("meta"):
        model, codec = Kalle(RELEASED), FlowVAE()
        frames = round(seconds * codec.frame_rate)
        hidden = torch.zeros(1, 1, RELEASED.body.dim)
        prompt = torch.zeros(1, 3 * codec.sample_rate)
        parts = [
            each_step("language model", "model", lambda: model.body(hidden), PREFIX, frames),
            each_step("Gaussian head", "model", lambda: model.distribution(hidden), PREFIX, frames),
            each_step(
                "output matrix", "unused", lambda: F.linear(hidden, model.body.embed_tokens.weight), 0, frames + 1
            ),
            once("codec decoder", "codec", lambda: codec.decode(torch.zeros(1, frames, codec.codebooks))),
            once("codec encoder on the prompt", "prompt", lambda: codec.posterior(prompt)),
        ]
    return parts, sum(parameter.numel() for parameter in model.parameters())
