"""Reading one position at a time, with little around the matrix products: what a decode loop does for every token.

`Transformer.forward` comes here by itself when a cache is given, one position is asked for and no gradients are kept.
Queries, keys and values are one product, gate and up another; the parameters become views of the joined matrices, so
that nothing is stored twice. In bf16 on a CPU the matrices are kept a second time in oneDNN's own layout, because
oneDNN otherwise reorders them at every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.systems.nn.attention import attend
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.precision import has_bf16

if TYPE_CHECKING:
    from ttsbench.systems.nn.transformer import Attention, Block, Shape

Angles = tuple[Tensor, Tensor]


def identity(weight: Tensor) -> tuple[int, int]:
    """Changes when a tensor is moved or written to; of one made in inference mode, only when it is moved."""
    try:
        return weight.data_ptr(), weight._version
    except RuntimeError:
        return weight.data_ptr(), 0


def packable(weight: Tensor) -> bool:
    """Whether oneDNN multiplies this matrix faster in a layout of its own."""
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or not torch.backends.mkldnn.is_available():
        return False
    return has_bf16("cpu")


class Product:
    """x @ weight.T + bias for few rows of x; `pack` False leaves the matrix as it is."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, pack: bool = True) -> None:
        self.weight, self.bias, self.packed = weight, bias, None
        if pack and packable(weight):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), 1)

    def __call__(self, x: Tensor) -> Tensor:
        if self.packed is None:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


@torch.inference_mode(False)  # the views stay trainable, whoever asks first
@torch.no_grad()
def joined(layers: list[nn.Linear], pack: bool) -> Product:
    """One product for several linear layers of the same input; their parameters become views of the joined matrix."""
    if len(layers) == 1:
        return Product(layers[0].weight, layers[0].bias, pack)
    sizes = [layer.out_features for layer in layers]
    weight = torch.cat([layer.weight.detach() for layer in layers])
    for layer, piece in zip(layers, weight.split(sizes), strict=True):
        _point(layer, "weight", piece)
    if layers[0].bias is None:
        return Product(weight, None, pack)
    bias = torch.cat([layer.bias.detach() for layer in layers])
    for layer, piece in zip(layers, bias.split(sizes), strict=True):
        _point(layer, "bias", piece)
    return Product(weight, bias, pack)


def _point(layer: nn.Linear, name: str, piece: Tensor) -> None:
    """Let a parameter stand on `piece`; one that was made in inference mode cannot, and is replaced."""
    old = layer.get_parameter(name)
    if old.is_inference():
        layer.register_parameter(name, nn.Parameter(piece, requires_grad=False))
    else:
        old.data = piece


@dataclass
class Layer:
    """A block's norms and products; `cross` are the norm, queries and output of cross-attention."""

    norm: nn.Module
    qkv: Product
    out: Product
    middle: nn.Module
    up: Product
    act: nn.Module
    down: Product
    cross: tuple[nn.Module, Product, Product] | None


def _layer(block: Block, pack: bool) -> Layer:
    def linear(module: Attention, name: str) -> nn.Linear:
        found = getattr(module, name)
        assert isinstance(found, nn.Linear)
        return found

    own, mlp = block.self_attn, block.mlp
    qkv = joined([linear(own, "q_proj"), linear(own, "k_proj"), linear(own, "v_proj")], pack)
    up = joined([mlp.up_proj] if mlp.gate_proj is None else [mlp.gate_proj, mlp.up_proj], pack)
    cross = None
    if block.self_attn.shape.memory_dim is not None:
        there = block.cross_attn
        cross = block.cross_attn_layernorm, joined([there.q_proj], pack), joined([there.o_proj], pack)
    out, down = joined([own.o_proj], pack), joined([mlp.down_proj], pack)
    return Layer(block.input_layernorm, qkv, out, block.post_attention_layernorm, up, mlp.act, down, cross)


class Step:
    """All layers of a transformer, made ready to read single positions. Valid as long as `fits` says so."""

    def __init__(self, shape: Shape, blocks: list[Block], pack: bool = True) -> None:
        self.shape = shape
        self.layers = [_layer(block, pack) for block in blocks]
        self.made_from = self._key(blocks)

    def fits(self, blocks: list[Block]) -> bool:
        """False when weights were moved, loaded or trained since."""
        return self._key(blocks) == self.made_from

    @staticmethod
    def _key(blocks: list[Block]) -> list[tuple[int, int]]:
        return [identity(weight) for block in blocks for weight in block.parameters()]

    def __call__(
        self, x: Tensor, angles: Angles | None, cache: Cache, memory_bias: Tensor | None, cross_angles: Angles | None
    ) -> Tensor:
        """x (rows, dim), the angles of its position, to (rows, dim) before the final norm; the cache grows by one."""
        here, there = spread(angles, x.dtype), spread(cross_angles, x.dtype)
        for index, layer in enumerate(self.layers):
            queries, keys, values = self._qkv(layer, x, here)
            pairs = cache.put(index, keys[:, :, None], values[:, :, None])
            x = x + layer.out(self._attended(queries, pairs))
            if layer.cross is not None:
                x = x + self._crossed(layer.cross, x, cache.memory[index], there, memory_bias)
            x = x + self._fed_forward(layer, x)
        cache.length += 1
        return x

    def static(self, x: Tensor, angles: Angles | None, cache: Cache, place: Tensor, bias: Tensor) -> Tensor:
        """As a call, with nothing that depends on Python numbers, so that it can be recorded as a CUDA graph.

        `place` (1,) long is where in the cache's buffers this position goes, `bias` (capacity,) is 0 up to there and
        very negative beyond; attention reads the whole buffers. Cross-attention reads `cache.memory` without a mask.
        """
        here = spread(angles, x.dtype)
        for index, layer in enumerate(self.layers):
            queries, keys, values = self._qkv(layer, x, here)
            own = cache.own[index]
            own[0].index_copy_(2, place, keys[:, :, None])
            own[1].index_copy_(2, place, values[:, :, None])
            x = x + layer.out(self._attended(queries, [own], bias[None]))
            if layer.cross is not None:
                x = x + self._crossed(layer.cross, x, cache.memory[index], here if cache.memory_turned else None, None)
            x = x + self._fed_forward(layer, x)
        return x

    def _qkv(self, layer: Layer, x: Tensor, angles: Angles | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (rows, heads, width), keys and values (rows, kv_heads, width)."""
        heads, groups, width = self.shape.heads, self.shape.groups, self.shape.head_dim
        mixed = layer.qkv(layer.norm(x)).view(len(x), heads + 2 * groups, width)
        turned = mixed[:, : heads + groups]
        if angles is not None:
            turned = turn(turned, angles)
        return turned[:, :heads], turned[:, heads:], mixed[:, heads + groups :]

    def _attended(self, queries: Tensor, pairs: list[tuple[Tensor, Tensor]], bias: Tensor | None = None) -> Tensor:
        """(rows, heads, width) to (rows, heads * width). Heads that share keys are rows of one product."""
        rows, _, width = queries.shape
        keys, values = pairs[0]
        if len(pairs) == 1 and len(keys) == rows:
            grouped = queries.reshape(rows, keys.shape[1], -1, width)
            return F.scaled_dot_product_attention(grouped, keys, values, attn_mask=bias).reshape(rows, -1)
        return attend(queries[:, :, None], pairs, bias)[0].reshape(rows, -1)

    def _crossed(
        self,
        cross: tuple[nn.Module, Product, Product],
        x: Tensor,
        pair: tuple[Tensor, Tensor],
        angles: Angles | None,
        bias: Tensor | None,
    ) -> Tensor:
        norm, query, out = cross
        queries = query(norm(x)).view(len(x), self.shape.heads, self.shape.head_dim)
        if angles is not None:
            queries = turn(queries, angles)
        return out(self._attended(queries, [pair], bias))

    def _fed_forward(self, layer: Layer, x: Tensor) -> Tensor:
        up = layer.up(layer.middle(x))
        if not self.shape.gated:
            return layer.down(layer.act(up))
        gate, up = up.chunk(2, dim=-1)
        return layer.down(layer.act(gate) * up)


def spread(angles: Angles | None, dtype: torch.dtype) -> Angles | None:
    """(cos, sin), each (rows or 1, 1, 1, head_dim / 2), as factors (rows or 1, 1, head_dim) of x and its halves
    swapped.
    """
    if angles is None:
        return None
    cos, sin = (angle[:, 0].to(dtype) for angle in angles)
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def turn(x: Tensor, angles: Angles) -> Tensor:
    """Rotary embedding of x (rows, heads, head_dim); rounds where `attention.rotate` does."""
    return x * angles[0] + x.roll(x.shape[-1] // 2, dims=-1) * angles[1]
