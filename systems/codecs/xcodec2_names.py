"""The names of X-codec2's weights in the three forms in which copies of it lie about, all to those of `xcodec2`.

published        HKUSTAudio/xcodec2: weight_g and weight_v, torch's first weight norm
saved again      by package xcodec2: parametrizations.weight.original0 and original1, torch's second weight norm
transformers     Xcodec2Model: names of its own; queries, keys and values in three matrices; plain kernels
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

_NORM = ("parametrizations.weight.original0", "weight_g"), ("parametrizations.weight.original1", "weight_v")
_ADAPTER = {
    "conv1": "initial_conv", "conv2": "residual_blocks.1", "conv3": "residual_blocks.3", "conv4": "final_conv",
}  # fmt: skip
_UNIT = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}  # places in the published nn.Sequential
_ENDS = {"conv1": "conv_blocks.0", "snake1": "conv_final_block.0", "conv2": "conv_final_block.1"}
_LAYER = {
    "self_attn.o_proj": "att.c_proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2", "input_layernorm": "att_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
_PARTS = {
    "fc_encoder": "fc_prior", "quantizer.project_in": "generator.quantizer.project_in",
    "quantizer.project_out": "generator.quantizer.project_out", "acoustic_decoder.fc": "fc_post_a",
    "acoustic_decoder.embed": "generator.backbone.embed",
    "acoustic_decoder.norm": "generator.backbone.final_layer_norm",
    "acoustic_decoder.prior_net": "generator.backbone.prior_net", "semantic_encoder": "semantic_model",
    "acoustic_decoder.post_net": "generator.backbone.post_net", "acoustic_decoder.head.linear": "generator.head.out",
}  # fmt: skip


def ours(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our names; what no rule knows keeps its name."""
    if any(name.startswith("acoustic_decoder.") for name in tensors):
        return _from_port(tensors)
    return {_plain_norm(name): value for name, value in tensors.items()}


def _plain_norm(name: str) -> str:
    for theirs, mine in _NORM:
        name = name.replace(theirs, mine)
    return name


def _from_port(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if re.match(r"acoustic_decoder\.layers\.\d+\.self_attn\.[kv]_proj", name):
            continue  # they go with the queries
        if match := re.match(r"acoustic_decoder\.layers\.(\d+)\.self_attn\.q_proj\.weight", name):
            parts = [tensors[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            found[f"generator.backbone.transformers.{match[1]}.att.c_attn.weight"] = torch.cat(parts)
            continue
        found |= dict(_normed(_named(_plain_norm(name)), value))
    return found


def _normed(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A plain kernel of the acoustic encoder as length and direction; everything else as it is."""
    if name.startswith("CodecEnc.") and name.endswith(".weight") and value.dim() == 3:
        yield name.removesuffix("weight") + "weight_g", value.norm(dim=(1, 2), keepdim=True)
        yield name.removesuffix("weight") + "weight_v", value
    else:
        yield name, value


def _named(name: str) -> str:
    if match := re.match(r"semantic_adapter\.(conv\d)\.(.*)", name):
        return f"SemanticEncoder_module.{_ADAPTER[match[1]]}.{match[2]}"
    if match := re.match(r"acoustic_encoder\.block\.(\d+)\.(?:res_unit(\d)\.)?(snake\d|conv\d)\.(.*)", name):
        block, unit, part, rest = match.groups()
        inner = f"{int(unit) - 1}.block.{_UNIT[part]}" if unit else {"snake1": "3", "conv1": "4"}[part]
        return f"CodecEnc.conv_blocks.{int(block) + 1}.block.{inner}.{rest}"
    if match := re.match(r"acoustic_encoder\.(snake1|conv\d)\.(.*)", name):
        return f"CodecEnc.{_ENDS[match[1]]}.{match[2]}"
    if match := re.match(r"acoustic_decoder\.layers\.(\d+)\.(.*)\.(weight|bias)", name):
        return f"generator.backbone.transformers.{match[1]}.{_LAYER.get(match[2], match[2])}.{match[3]}"
    for theirs, mine in _PARTS.items():
        if name.startswith(f"{theirs}."):
            return mine + name.removeprefix(theirs)
    return name
