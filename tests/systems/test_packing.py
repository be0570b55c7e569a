"""Packed checkpoints: what comes back is near what went in, and fewer bits compress better."""

import zlib

import pytest
import torch

from ttsbench.systems import packing


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "large.weight": torch.randn(64, 128, generator=generator),
        "table": torch.randn(3, 4, generator=generator),
        "steps": torch.tensor(7),
    }


@pytest.mark.parametrize("bits", [8, 6, 5])
def test_each_row_is_within_half_a_step(bits: int) -> None:
    given = weights()
    packed = packing.pack(given, packing.of_models, bits)
    assert packed["large.weight"].dtype == torch.int8
    back = packing.unpack(packed)
    assert back.keys() == given.keys()
    step = given["large.weight"].abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((back["large.weight"] - given["large.weight"]).abs() <= 0.51 * step + 1e-3).all()
    torch.testing.assert_close(back["table"], given["table"], atol=2e-3, rtol=1e-3)
    assert int(back["steps"]) == 7


def test_fewer_bits_compress_better() -> None:
    sizes = [
        len(zlib.compress(packing.pack(weights(), packing.of_models, bits)["large.weight"].numpy().tobytes()))
        for bits in (8, 6)
    ]
    assert sizes[1] < 0.8 * sizes[0]
