"""Diagonal Gaussians given as mean and logarithm of the standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor


def sample(mean: Tensor, logs: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """mean + temperature * exp(logs) * noise, of the mean's shape."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + temperature * logs.exp() * noise


def kl(mean1: Tensor, logs1: Tensor, mean2: Tensor | float, logs2: Tensor | float) -> Tensor:
    """KL(N(mean1, exp(logs1)) || N(mean2, exp(logs2))) per element, in nats.

    log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2.
    """
    logs2 = torch.as_tensor(logs2, dtype=mean1.dtype, device=mean1.device)
    spread = (logs1.mul(2).exp() + (mean1 - mean2).square()) * (-2 * logs2).exp()
    return logs2 - logs1 + 0.5 * spread - 0.5


def flow_prior_kl(z: Tensor, logs: Tensor) -> Tensor:
    """What a sample z of N(., exp(logs)), sent through a flow of log-determinant 0, costs under N(0, 1), per element.

    -logs - 1/2 + z^2 / 2 with z behind the flow: the VITS form with a standard normal prior (KALL-E, arXiv 2412.16846).
    """
    return 0.5 * z.square() - logs - 0.5
