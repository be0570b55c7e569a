"""Encoding in a closed loop (analysis by synthesis): codes are chosen by what the decoder makes of them.

The codec, its bits and its decoder stay as they are; what is spent is time when a recording is encoded, about .03 times
its length for each round on one core. Gradients pass the rounding straight through, as in training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ttsbench.systems.codecs.mel_codec import FlowVAE
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.nn.mel import log_mel
from ttsbench.systems.nn.precision import has_bf16
from ttsbench.systems.nn.vocoder.loss import vocoder_loss

SHORTEST = 1024  # samples: one window of the loss
RATE = 0.05


@torch.inference_mode(False)
@torch.enable_grad()
def encode(codec: SmallCodec, audio: Tensor, rounds: int = 16) -> Tensor:
    """As `codec.encode`, audio (batch, samples) to codes: the best found in `rounds` steps from where it begins.

    The best are those whose decoded audio is nearest by the spectral loss that the vocoder was trained with.
    """
    missing = -audio.shape[-1] % codec.hop
    true = torch.nn.functional.pad(audio.detach().clone().to(codec.device), (0, missing))
    mel, model = log_mel(true), codec.model
    if true.shape[-1] < SHORTEST:
        return codec.encode_mel(mel)
    with torch.no_grad():
        start = model.encode(mel) if isinstance(model, FlowVAE) else model.hidden(mel)
    hidden = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([hidden], lr=RATE, betas=(0.9, 0.99))
    best, least = start if isinstance(model, FlowVAE) else model.quantizer(start)[1], float("inf")
    for _ in range(rounds):
        with torch.autocast(codec.device.type, torch.bfloat16, enabled=has_bf16(str(codec.device))):
            latents, codes = (hidden, hidden) if isinstance(model, FlowVAE) else model.quantizer(hidden)[:2]
            made = codec.vocoder(model.mel_from(latents).float())
        loss = vocoder_loss(made[:, : true.shape[1]], true)["total"]
        if float(loss.detach()) < least:
            best, least = codes.detach().clone(), float(loss.detach())
        (hidden.grad,) = torch.autograd.grad(loss, [hidden])  # the codec's own weights gather none
        optimiser.step()
    return best
