"""The papers' codecs: sizes, names in the published files, round trips, streaming, agreement with transformers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ttsbench.systems import weights
from ttsbench.systems.codecs import Codec
from ttsbench.systems.codecs.flowvae_full import FlowVAE, FlowVAEShape
from ttsbench.systems.nn.counting import count
from ttsbench.systems.nn.wavenorm import NormedConv1d, SnakeBeta, joined_weight

pytest.importorskip("transformers", reason="X-codec2 and EnCodec stand on transformers, an optional dependency")
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.codecs.xcodec2 import XCodec2
from ttsbench.systems.codecs.xcodec2_layers import DoublyBoundFSQ, XCodec2Shape

SMALL_VAE = FlowVAEShape(latent=8, down=(2, 5), channels=(4, 8, 16), up=(5, 2), first=16, flow_hidden=8)
SMALL_X = XCodec2Shape(base=4, dim=64, layers=2, heads=4, semantic_dim=64, semantic_layers=2, semantic_hidden=128)


def millions(module: nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.fixture(scope="module")
def xcodec2() -> XCodec2:
    torch.manual_seed(0)
    model = XCodec2(SMALL_X).eval()
    for name, parameter in model.named_parameters():
        if "project_in" in name or name.startswith("fc_prior"):
            parameter.data.mul_(4)  # so that random weights use many codes
        if name.endswith(("alpha", "beta")):
            parameter.data.normal_(std=0.3)
    return model


@pytest.fixture(scope="module")
def full() -> tuple[FlowVAE, XCodec2]:
    with torch.device("meta"):
        return FlowVAE(), XCodec2()


def test_full_sizes_are_those_of_the_papers(full: tuple[FlowVAE, XCodec2]) -> None:
    vae, codec = full
    assert isinstance(vae, Codec)
    assert isinstance(codec, Codec)
    assert millions(vae.audio_encoder) == pytest.approx(34, abs=0.6)
    assert millions(vae.flow) == pytest.approx(50, abs=0.6)
    assert millions(vae) - millions(vae.audio_encoder) - millions(vae.flow) == pytest.approx(120, abs=0.6)
    assert (vae.frame_rate, vae.sample_rate, vae.shape.latent) == (12.5, 16000, 512)
    assert millions(codec.CodecEnc) == pytest.approx(38, abs=0.6)
    assert millions(codec.generator) == pytest.approx(185, abs=0.6)
    assert millions(codec.SemanticEncoder_module) == pytest.approx(12.6, abs=0.06)
    assert (codec.codebook_size, codec.frame_rate, codec.bits_per_second) == (65536, 50.0, 800.0)


def test_names_are_those_of_the_published_checkpoints(full: tuple[FlowVAE, XCodec2]) -> None:
    vae, codec = full[0].state_dict(), full[1].state_dict()
    published = {
        "audio_encoder.generator.0.layer.weight_g": (12, 1, 1),
        "audio_encoder.generator.3.layers.5.1.weight_v": (24, 24, 3),
        "audio_encoder.generator.20.layer.weight_v": (1024, 768, 3),
        "flow.flows.6.enc.res_skip_layers.3.weight_v": (512, 512, 1),
        "flow.flows.0.post.weight": (256, 512, 1),
        "conv_pre.weight_v": (1536, 512, 7),
        "ups.0.0.weight_g": (1536, 1, 1),
        "resblocks.17.activations.5.downsample.lowpass.filter": (1, 1, 12),
        "resblocks.0.convs1.2.weight_v": (768, 768, 3),
        "activation_post.act.alpha": (24,),
    }
    assert {name: tuple(vae[name].shape) for name in published} == published
    published = {
        "CodecEnc.conv_blocks.1.block.0.block.1.weight_v": (48, 48, 7),
        "CodecEnc.conv_final_block.0.act.beta": (1536,),
        "SemanticEncoder_module.residual_blocks.3.bias": (1024,),
        "generator.quantizer.project_in.weight": (8, 2048),
        "generator.backbone.transformers.11.att.c_attn.weight": (3072, 1024),
        "generator.backbone.prior_net.1.norm2.weight": (1024,),
        "generator.head.istft.window": (1280,),
        "generator.head.out.weight": (1282, 1024),
        "fc_prior.weight": (2048, 2048),
        "fc_post_a.weight": (1024, 2048),
        "semantic_model.encoder.layers.15.ffn2.output_dense.weight": (1024, 4096),
    }
    assert {name: tuple(codec[name].shape) for name in published} == published


@torch.no_grad()
def test_flow_vae_round_trip_and_streaming() -> None:
    torch.manual_seed(0)
    model = FlowVAE(SMALL_VAE).eval()
    mean, logs = model.posterior(torch.randn(2, 95))
    assert mean.shape == logs.shape == (2, 10, 8)
    latents = torch.randn(1, 150, 8)
    whole = model.decode(latents)
    pieces = list(model.decode_stream(latents.split([1, 70, 2, 40, 37], dim=1)))
    assert len(pieces) > 2
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-6, rtol=1e-5)
    audio, flowed, spread = model(torch.randn(1, 100))
    assert audio.shape == (1, 100)
    assert flowed.shape == spread.shape == (1, 10, 8)


@pytest.mark.parametrize("cuts", [[1] * 12, [0, 5, 0, 7], [12], [2, 9, 1]])
@torch.no_grad()
def test_flow_vae_streams_any_pieces_and_decodes_no_frame_twice(cuts: list[int]) -> None:
    torch.manual_seed(0)
    model = FlowVAE(SMALL_VAE).eval()
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))  # biases and snakes that do something
    latents = torch.randn(1, 12, 8)
    pieces: list[torch.Tensor] = []
    streamed = count(lambda: pieces.extend(model.decode_stream(latents.split(cuts, dim=1)))).linear
    whole: list[torch.Tensor] = []
    once = count(lambda: whole.append(model.decode(latents))).linear
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole[0], atol=1e-5, rtol=1e-5)
    assert streamed < 1.3 * once  # the filters' edges, on twelve frames; a second decoding would double it


@torch.no_grad()
def test_flow_vae_waits_for_its_look_ahead_alone() -> None:
    model, given, got = FlowVAE(SMALL_VAE).eval(), 0, 0
    latents = torch.randn(1, 40, 8)

    def fed() -> Iterator[torch.Tensor]:
        nonlocal given
        for frame in latents.split(1, dim=1):
            given += 1
            yield frame

    for piece in model.decode_stream(fed()):
        got += piece.shape[1]
        if given < 40:
            assert got / model.hop >= given - 3 - 6 - 3 - 1  # first convolution, filters at 5 and at 10 samples a frame


@torch.no_grad()
def test_xcodec2_round_trip(xcodec2: XCodec2) -> None:
    codes = xcodec2.encode(0.3 * torch.randn(1, 3200))
    assert codes.shape == (1, 11, 1)  # a whole frame of padding is added to whole frames, as in the original
    assert len(codes.unique()) > 3
    audio = xcodec2.decode(codes)
    assert audio.shape == (1, 11 * 320)
    torch.testing.assert_close(next(xcodec2.decode_stream(codes.split(4, dim=1))), audio)


def test_fsq_indices_and_straight_through() -> None:
    torch.manual_seed(0)
    quantizer = DoublyBoundFSQ(16, (4,) * 8)
    codes = torch.tensor([[0, 1, 4, 65535]])
    digits = (codes[..., None] // quantizer.grid(codes.device)[2]) % 4
    assert digits[0, 1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert digits[0, 2].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    reached = quantizer.bound(quantizer.bound(torch.linspace(-9, 9, 999)[:, None].expand(-1, 8))).round().unique()
    assert reached.tolist() == [-2.0, -1.0, 0.0, 1.0]
    x = torch.randn(1, 5, 16, requires_grad=True)
    out, found = quantizer(x)
    torch.testing.assert_close(found, quantizer.quantize(x))
    torch.testing.assert_close(out, quantizer.lookup(found))
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@torch.no_grad()
def test_rope_axis_decides_whether_the_decoder_knows_the_time(xcodec2: XCodec2) -> None:
    other = XCodec2(dataclasses.replace(SMALL_X, rope_axis="time")).eval()
    other.load_state_dict(xcodec2.state_dict())
    x = torch.randn(1, 12, 64)
    for model, same in ((xcodec2, True), (other, False)):
        attention = model.generator.backbone.transformers
        assert torch.allclose(attention(x).flip(1), attention(x.flip(1)), atol=1e-5) is same


@torch.no_grad()
def test_xcodec2_agrees_with_transformers(xcodec2: XCodec2) -> None:
    transformers = pytest.importorskip("transformers", reason="the second implementation")
    if not hasattr(transformers, "Xcodec2Model"):
        pytest.skip("this version of transformers has no X-codec2 yet")
    semantic = {"model_type": "wav2vec2-bert", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128}
    config = transformers.Xcodec2Config(
        hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        head_dim=16, encoder_hidden_size=4, quantization_dim=128, semantic_model_config=semantic,
    )  # fmt: skip
    theirs = transformers.Xcodec2Model(config).eval()
    copy_weights(xcodec2, theirs)
    audio = 0.3 * torch.randn(1, 3000)
    padded = nn.functional.pad(audio, (0, 200))
    found = theirs.encode(padded[:, None], input_features=xcodec2.features(padded), output_latents=True)
    codes = xcodec2.encode(audio)
    assert torch.equal(codes, found.audio_codes.transpose(1, 2))
    assert len(codes.unique()) > 3
    torch.testing.assert_close(
        xcodec2.decode(codes), theirs.decode(audio_codes=codes.transpose(1, 2)).audio_values[:, 0], atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_xcodec2_loads_all_three_forms_of_its_weights(xcodec2: XCodec2, tmp_path: Path) -> None:
    """Published names; torch's second weight norm, as package xcodec2 saves; transformers' port as it saves."""
    published = xcodec2.state_dict()
    again = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for name, value in published.items()
    } | {"SemanticDecoder_module.initial_conv.weight": torch.ones(3), "fc_post_s.bias": torch.ones(3)}
    forms = [published, again]
    transformers = pytest.importorskip("transformers", reason="the port")
    if hasattr(transformers, "Xcodec2Model"):
        semantic = {"model_type": "wav2vec2-bert", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128}
        config = transformers.Xcodec2Config(
            hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            head_dim=16, encoder_hidden_size=4, quantization_dim=128, semantic_model_config=semantic,
        )  # fmt: skip
        port = transformers.Xcodec2Model(config)
        copy_weights(xcodec2, port)
        port.save_pretrained(tmp_path)
        forms.append(weights.read(tmp_path / "model.safetensors"))
    audio = 0.3 * torch.randn(1, 1600)
    codes, sound = xcodec2.encode(audio), xcodec2.decode(xcodec2.encode(audio))
    for form in forms:
        model = XCodec2(SMALL_X).eval()
        model.load(form)
        assert torch.equal(model.encode(audio), codes)
        torch.testing.assert_close(model.decode(codes), sound, atol=1e-6, rtol=1e-5)


def test_what_does_not_fit_is_named_with_its_shapes(
    xcodec2: XCodec2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XCODEC2_DIR", str(tmp_path))
    xcodec2.save(tmp_path / "model.safetensors")
    assert XCodec2.published().shape == SMALL_X  # the shape stands in the file
    wrong = xcodec2.state_dict() | {"fc_prior.bias": torch.ones(5)}
    del wrong["fc_post_a.weight"]
    message = r"here: not the weights of this XCodec2: fc_prior.bias is \(5,\), expected \(128,\); "
    with pytest.raises(
        ValueError, match=message + r"fc_post_a.weight is missing, expected \(64, 128\). .*fetch xcodec2"
    ):
        XCodec2(SMALL_X).load(wrong, "here")
    with pytest.raises(
        ValueError, match=r"flowvae.pt: .* is missing, expected .* and \d+ more. .*ttsbench fetch kalle"
    ):
        FlowVAE(SMALL_VAE).load({"generator": {"extra": torch.ones(1)}})  # type: ignore[dict-item]
    model = FlowVAE(SMALL_VAE)
    model.save(tmp_path / "flowvae.safetensors")
    again = FlowVAE.saved(tmp_path / "flowvae.safetensors")
    assert again.shape == SMALL_VAE
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def copy_weights(ours: XCodec2, theirs: nn.Module) -> None:
    """Ours into transformers' model, part by part, in the order of registration."""
    generator, decoder = ours.generator, theirs.acoustic_decoder
    backbone = generator.backbone
    encoder: list[Tensor | None] = []
    for module in ours.CodecEnc.modules():
        if isinstance(module, NormedConv1d):
            encoder += [joined_weight(module), module.bias]
        elif isinstance(module, SnakeBeta):
            encoder += [module.alpha, module.beta]
    pairs = [(encoder, theirs.acoustic_encoder)]
    pairs += [(list(mine.parameters()), other) for mine, other in [
        (ours.semantic_model, theirs.semantic_encoder), (ours.SemanticEncoder_module, theirs.semantic_adapter),
        (ours.fc_prior, theirs.fc_encoder), (generator.quantizer, theirs.quantizer), (ours.fc_post_a, decoder.fc),
        (backbone.embed, decoder.embed), (backbone.final_layer_norm, decoder.norm), (generator.head, decoder.head),
    ]]  # fmt: skip
    for mine, other in zip(
        [*backbone.prior_net, *backbone.post_net], [*decoder.prior_net, *decoder.post_net], strict=True
    ):
        pairs += [
            (list(getattr(mine, part).parameters()), getattr(other, part))
            for part in ("norm1", "conv1", "norm2", "conv2")
        ]
    for mine, other in zip(backbone.transformers, decoder.layers, strict=True):
        attention = [*mine.att.c_attn.weight.chunk(3), mine.att.c_proj.weight]
        pairs += [(attention, other.self_attn), (list(mine.mlp.parameters()), other.mlp)]
        pairs += [
            ([mine.att_norm.weight], other.input_layernorm),
            ([mine.ffn_norm.weight], other.post_attention_layernorm),
        ]
    for tensors, module in pairs:
        for tensor, parameter in zip(tensors, module.parameters(), strict=True):
            assert tensor is not None
            parameter.data.copy_(tensor)


@torch.no_grad()
def test_encodec_rates_and_streaming() -> None:
    model = EnCodec(16)
    assert (model.bits_per_second, model.frame_rate, model.codebook_size) == (12000.0, 75.0, 1024)
    codes = model.encode(0.3 * torch.randn(1, 12000))
    assert codes.shape == (1, 38, 16)
    for layer in model.model.quantizer.layers:
        layer.codebook.embed.normal_()
    codes = torch.randint(0, 1024, (1, 30, 16))
    whole = model.decode(codes)
    for cuts in ([3, 9, 18], [8, *([1] * 22)], [30], [29, 0, 1]):
        pieces = list(model.decode_stream(codes.split(cuts, dim=1)))
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=1e-5)
    short = list(model.decode_stream(codes[:, :5].split(2, dim=1)))
    torch.testing.assert_close(torch.cat(short, dim=1), model.decode(codes[:, :5]), atol=1e-6, rtol=1e-5)
    streamed = count(lambda: list(model.decode_stream(codes.split([8, *([2] * 11)], dim=1)))).linear
    assert streamed < 1.02 * count(lambda: model.decode(codes)).linear
    with pytest.raises(ValueError, match="codebooks"):
        EnCodec(7)


def test_missing_weights_say_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("KALLE_DIR", str(tmp_path))
    with pytest.raises(weights.MissingWeights, match=r"flowvae.pt.*kxxia/KALL-E.*KALLE_DIR"):
        FlowVAE.published()
    (tmp_path / "flowvae.pt").write_bytes(b"not weights")
    with pytest.raises(weights.MissingWeights, match="not readable as weights"):
        FlowVAE.published()
    known = dataclasses.replace(weights.FLOW_VAE, size=5, sha256="00")
    with pytest.raises(weights.MissingWeights, match="11 bytes, the published file has 5"):
        weights.find(known)
    with pytest.raises(weights.MissingWeights, match="SHA-256"):
        weights.find(dataclasses.replace(known, size=0))


def test_weights_cannot_run_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "ran"),))  # type: ignore[return-value]

    torch.save({"generator": Trap()}, tmp_path / "flowvae.pt")
    with pytest.raises(weights.MissingWeights):
        weights.read(tmp_path / "flowvae.pt")
    assert not (tmp_path / "ran").exists()
    torch.save({"generator": FlowVAE(SMALL_VAE).state_dict()}, tmp_path / "good.pt")
    FlowVAE(SMALL_VAE).load(weights.read(tmp_path / "good.pt"))
