"""The normalising flow is exactly invertible and causal; Gaussian divergences agree with torch.distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.flow import Coupling, Flow
from ttsbench.systems.nn.wavenorm import AntiAliased, half_band


def shaken(flow: Flow) -> Flow:
    torch.manual_seed(0)
    for part in flow.flows:
        if isinstance(part, Coupling):
            torch.nn.init.normal_(part.post.weight, std=0.3)
    return flow


@torch.no_grad()
def test_flow_inverts_and_starts_as_a_permutation() -> None:
    flow, z = Flow(8, 16), torch.randn(2, 8, 12)
    torch.testing.assert_close(flow(z), z)  # four flips of nothing
    flow = shaken(flow)
    assert not torch.allclose(flow(z), z, atol=0.1)
    torch.testing.assert_close(flow(flow(z), inverse=True), z, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="odd"):
        Flow(7, 16)


@torch.no_grad()
def test_flow_is_causal() -> None:
    flow, z = shaken(Flow(8, 16)), torch.randn(1, 8, 12)
    torch.testing.assert_close(flow(z[..., :7]), flow(z)[..., :7], atol=1e-5, rtol=1e-5)


def test_divergences_agree_with_torch() -> None:
    m1, l1, m2, l2 = torch.randn(4, 50)
    expected = kl_divergence(Normal(m1, l1.exp()), Normal(m2, l2.exp()))
    torch.testing.assert_close(gaussian.kl(m1, l1, m2, l2), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        gaussian.kl(m1, l1, 1.0, 1.0), kl_divergence(Normal(m1, l1.exp()), Normal(1.0, torch.tensor(1.0).exp()))
    )
    many = gaussian.sample(m1.expand(40000, 50), l1.expand(40000, 50), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(many.std(0), l1.exp(), rtol=0.03, atol=0.0)
    torch.testing.assert_close(
        gaussian.flow_prior_kl(many, l1).mean(0), gaussian.kl(m1, l1, 0.0, 0.0), atol=0.3, rtol=0.1
    )


@torch.no_grad()
def test_anti_aliasing_keeps_a_slow_wave() -> None:
    torch.testing.assert_close(half_band(12).sum(), torch.tensor(1.0))
    layer = AntiAliased(1)
    wave = torch.sin(torch.arange(400) * 0.02)[None, None]
    torch.testing.assert_close(layer(wave)[..., 20:-20], layer.act(wave)[..., 20:-20], atol=2e-2, rtol=0.0)
