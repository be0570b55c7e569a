"""WavLM large with the ECAPA head, fine-tuned for speaker verification: the SIM of Seed-TTS, F5-TTS and ZipVoice.

WavLM comes from transformers, its weights from the speaker checkpoint itself, whose names are mapped. The waveform goes
through a layer norm over its whole length, as the checkpoint's configuration asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, one_by_one, pack, version
from ttsbench.metrics.resample import read
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import torch
    from transformers import WavLMConfig, WavLMModel

    from ttsbench.metrics.speakers.ecapa_head import EcapaHead  # torch

BATCH = 4
RATE = 16000
LONGEST = 120.0  # seconds, as ZipVoice cuts; attention over more does not fit into memory
SHORTEST = 3200  # samples: a fifth of a second
NAME = "wavlm-large-finetune"
PREFIX = "feature_extract.model."
UNUSED = ("final_proj", "label_embs_concat", "mask_emb", "loss_calculator")
RENAMED = (  # Microsoft's names to those of transformers, in this order
    (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.2\.1\.", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.2\.", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^encoder\.pos_conv\.0\.weight_g$", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"^encoder\.pos_conv\.0\.weight_v$", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"^encoder\.pos_conv\.0\.bias$", "encoder.pos_conv_embed.conv.bias"),
    (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
    (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
    (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


def identity(settings: dict[str, str]) -> dict[str, str]:
    """Weights, package version and settings."""
    return {**weights.identity(NAME), "version": f"transformers {version('transformers')}", **settings}


def large() -> WavLMConfig:
    """WavLM large: 24 layers of 1,024, layer norm in the feature extractor and before each sub-layer."""
    from transformers import WavLMConfig

    return WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=False,
        apply_spec_augment=False,
    )


def split(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A checkpoint as (WavLM under transformers' names, head)."""
    speech, head = {}, {}
    for name, value in state.items():
        if not name.startswith("feature_extract."):
            head[name] = value
            continue
        name = name.removeprefix(PREFIX)
        if name.startswith(UNUSED):
            continue
        for pattern, by in RENAMED:
            name = re.sub(pattern, by, name)
        speech[name] = value
    head = {name: value for name, value in head.items() if not name.startswith(("loss_calculator", "instance_norm"))}
    return speech, head


def build(state: Mapping[str, torch.Tensor], config: WavLMConfig) -> tuple[WavLMModel, EcapaHead]:
    """Both models with the checkpoint's weights; raises UserError where a parameter is missing or strange."""
    from transformers import WavLMModel

    from ttsbench.metrics.speakers.ecapa_head import EcapaHead  # torch

    speech, head = split(state)
    model = WavLMModel(config)
    gone = model.load_state_dict(speech, strict=False)
    lost = [name for name in gone.missing_keys if name != "masked_spec_embed"]
    if lost or gone.unexpected_keys:
        raise UserError(f"WavLM: lacks {lost[:3]}, has unknown {gone.unexpected_keys[:3]}")
    top = EcapaHead(layers=config.num_hidden_layers + 1, features=config.hidden_size)
    top.load_state_dict(head)
    return model.eval(), top.eval()


def embed(model: WavLMModel, head: EcapaHead, wave: torch.Tensor) -> torch.Tensor:
    """Speaker vectors (batch, 256) of waves (batch, samples) at 16 kHz, all of one length."""
    import torch

    states: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: states.append(given[0])) for layer in model.encoder.layers
    ]
    try:
        normal = torch.nn.functional.layer_norm(wave, wave.shape[-1:])
        states.append(model(normal).last_hidden_state)
    finally:
        for hook in hooks:
            hook.remove()
    return head(torch.stack(states))


def load(settings: dict[str, str], device: str = "cpu") -> Callable[[Sequence[Request]], list[Feature]]:
    """`extract(requests)`: vectors of 256 values, one file at a time.

    Settings: resampling, `longest` (s, what is heard), `shortest` (samples, less is an error)."""
    path = weights.weights_file(NAME)
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as fault:
        raise MissingModel(f"SIM by WavLM needs transformers: pip install 'ttsbench[paper]' ({fault})") from fault

    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model, head = build(checkpoint["model"], large())
    for part in (model, head):
        torch.nn.Module.to(part, device)
    how, longest = settings.get("resampling", "soxr"), float(settings.get("longest", LONGEST))
    shortest = int(settings.get("shortest", SHORTEST))

    @torch.inference_mode()
    def measure(request: Request) -> dict[str, Any]:
        samples = read(request.audio, RATE, how, start=request.start)[: round(longest * RATE)]
        if len(samples) < shortest:
            raise UserError(f"{request.audio}: {len(samples) / RATE:.2f} s is too short for a speaker embedding")
        wave = torch.from_numpy(samples.copy())[None].to(device)
        return pack(embed(model, head, wave)[0].cpu().numpy())

    return one_by_one(measure)
