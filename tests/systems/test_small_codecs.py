from pathlib import Path

import pytest
import torch

from ttsbench.systems import packing
from ttsbench.systems.codecs import Codec, load_codec
from ttsbench.systems.codecs.mel_codec import FlowVAE, QuantizedCodec, build, from_fsq, start_from
from ttsbench.systems.codecs.small import SmallCodec, read_weights
from ttsbench.systems.nn.mel import N_MELS
from ttsbench.systems.nn.quantizers import FSQ, ResidualVQ
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.training.joint import split_weights
from ttsbench.systems.training.trainer import export

NAMES = ("rvq", "fsq", "flowvae")
RATES = {"rvq": (50.0, 8, 4000.0), "fsq": (50.0, 24, 3200.0), "flowvae": (12.5, 96, None)}


@pytest.fixture(scope="module", params=NAMES)
def codec(request: pytest.FixtureRequest) -> SmallCodec:
    torch.manual_seed(0)
    model = build(request.param)
    if isinstance(model, QuantizedCodec) and isinstance(model.quantizer, ResidualVQ):
        model.quantizer.codebooks.normal_()
    for layer in (model.inward, model.outward):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return SmallCodec(request.param, model, Vocoder(32, 64, 3))


def test_the_interface_and_its_figures(codec: SmallCodec) -> None:
    assert isinstance(codec, Codec)
    rate, books, bits = RATES[codec.name]
    assert (codec.frame_rate, codec.codebooks, codec.bits_per_second) == (rate, books, bits)
    audio = 0.1 * torch.randn(2, 16001)
    codes = codec.encode(audio)
    frames = -(-16001 // codec.hop)
    assert codes.shape == (2, frames, books)
    assert codes.is_floating_point() == (codec.name == "flowvae")
    if codec.levels:
        assert all(int(codes[..., k].min()) >= 0 and int(codes[..., k].max()) < n for k, n in enumerate(codec.levels))
    assert codec.decode(codes).shape == (2, frames * codec.hop)
    assert codec.decode(codes[:, :0]).shape == (2, 0)


@pytest.mark.parametrize("cuts", [[23], [1] * 23, [5, 0, 11, 7]])
def test_streaming_equals_offline(codec: SmallCodec, cuts: list[int]) -> None:
    torch.manual_seed(1)
    codes = codec.encode(0.1 * torch.randn(1, 23 * codec.hop))
    pieces = list(codec.decode_stream(torch.split(codes, cuts, dim=1)))
    torch.testing.assert_close(torch.cat(pieces, 1), codec.decode(codes), atol=1e-5, rtol=0)
    assert list(codec.decode_stream(iter(()))) == []


def test_audio_leaves_early(codec: SmallCodec) -> None:
    seen: list[int] = []

    def chunks():  # type: ignore[no-untyped-def]
        for number in range(10):
            seen.append(number)
            yield torch.zeros(1, 1, codec.codebooks, dtype=torch.long if codec.levels else torch.float32)

    next(codec.decode_stream(chunks()))
    assert len(seen) <= 4


def test_rvq_decodes_fewer_codebooks_and_fsq_inverts() -> None:
    torch.manual_seed(0)
    quantizer = ResidualVQ(8, 4, 16).train()
    x = torch.randn(4, 200, 8)
    for _ in range(15):
        out, codes, loss = quantizer(x)
    quantizer.eval()
    out, codes, _ = quantizer(x)
    torch.testing.assert_close(quantizer.decode(codes), out)
    errors = [float((quantizer.decode(codes[..., :k]) - x).square().mean()) for k in (1, 2, 4)]
    assert errors[0] > errors[1] > errors[2] and torch.isfinite(loss)
    fsq = FSQ((8, 5, 4))
    values, numbers, _ = fsq(3 * torch.randn(2, 50, 3))
    torch.testing.assert_close(fsq.decode(numbers), values)
    for k, n in enumerate((8, 5, 4)):
        assert numbers[..., k].min() == 0 and numbers[..., k].max() == n - 1


def test_dead_codes_come_back() -> None:
    torch.manual_seed(0)
    quantizer = ResidualVQ(4, 1, 32).train()
    quantizer(torch.zeros(1, 64, 4))  # every entry starts at the same place
    x = torch.randn(1, 512, 4)
    for _ in range(60):
        quantizer(x)
    assert quantizer.eval()(x)[1].unique().numel() > 16


def test_the_flow_inverts_and_keeps_volume() -> None:
    torch.manual_seed(0)
    vae = FlowVAE(8, flows=3).eval()
    for coupling in vae.flow:
        torch.nn.init.normal_(coupling.out.weight, std=0.3)
    z = torch.randn(1, 6, 8)
    moved = z
    for coupling in vae.flow:
        moved = coupling(moved)
    torch.testing.assert_close(vae.prior_sample(moved), z, atol=1e-5, rtol=1e-5)

    def whole(flat: torch.Tensor) -> torch.Tensor:
        out = flat.reshape(1, 6, 8)
        for coupling in vae.flow:
            out = coupling(out)
        return out.reshape(-1)

    jacobian = torch.autograd.functional.jacobian(whole, z.reshape(-1))
    assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_principal_components_are_a_good_start(name: str) -> None:
    torch.manual_seed(0)
    mel = torch.randn(8, 160, 4) @ torch.randn(4, N_MELS) + 1.0  # four hidden numbers a frame
    codec = build(name)
    start_from(codec, mel)
    codec.eval()
    made = codec.skip_out(codec.latents(codec.encode(mel))).reshape(8, -1, N_MELS)
    assert float((made - mel).abs().mean()) < 0.5 * float((mel - mel.mean((0, 1))).abs().mean())


def test_weights_load_and_missing_or_wrong_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSBENCH_CHECKPOINTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"codec-fsq.safetensors"):
        load_codec("fsq")
    model = build("fsq")
    export(model.state_dict(), tmp_path / "codec-fsq.safetensors", half=True)
    export(Vocoder().state_dict(), tmp_path / "vocoder.safetensors", half=True)
    kept = load_codec("fsq").model.skip_in.weight
    torch.testing.assert_close(kept, model.skip_in.weight, atol=1e-3, rtol=1e-3)
    export(Vocoder(32, 64, 3).state_dict(), tmp_path / "vocoder.safetensors")
    with pytest.raises(ValueError, match=r"vocoder.safetensors"):
        load_codec("fsq")
    with pytest.raises(ValueError, match="rvq, fsq, flowvae"):
        load_codec("opus")


def related(passes: int) -> tuple[QuantizedCodec, QuantizedCodec, torch.Tensor]:
    """An FSQ codec, an RVQ codec made from it, and the mels (8, 160, 100) of rank six that both were fitted to."""
    torch.manual_seed(0)
    mel = (torch.randn(8, 160, 6) @ torch.randn(6, N_MELS)) / 3
    fsq, rvq = build("fsq"), build("rvq")
    start_from(fsq, mel)
    assert isinstance(fsq, QuantizedCodec) and isinstance(rvq, QuantizedCodec)
    from_fsq(rvq, fsq, mel, passes=passes)
    return fsq, rvq, mel


def test_rvq_starts_as_the_fsq_codec() -> None:
    fsq, rvq, mel = related(passes=8)
    fsq.eval()
    rvq.eval()
    errors = [float((codec(mel).mel - mel).abs().mean()) for codec in (fsq, rvq)]
    assert errors[1] < 1.2 * errors[0] < 0.3


def test_packed_weights_are_close_and_small(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(32, 64, 3).eval()
    packing.save(vocoder.state_dict(), tmp_path / "v.safetensors")
    export(vocoder.state_dict(), tmp_path / "f.safetensors")
    assert (tmp_path / "v.safetensors").stat().st_size < 0.5 * (tmp_path / "f.safetensors").stat().st_size
    again = Vocoder(32, 64, 3).eval()
    read_weights(again, tmp_path / "v.safetensors")
    mel = torch.randn(1, 40, N_MELS)
    with torch.no_grad():
        made, true = again(mel), vocoder(mel)
    assert float((made - true).square().mean()) < 1e-3 * float(true.square().mean())


def test_rvq_ships_as_codebooks_beside_fsq(tmp_path: Path) -> None:
    fsq, rvq, mel = related(passes=4)
    whole = {f"maker.vocoder.{k}": v for k, v in Vocoder().state_dict().items()}
    for name, codec in (("fsq", fsq), ("rvq", rvq)):
        whole |= {f"maker.codecs.{name}.{k}": v for k, v in codec.state_dict().items()}
    export(whole, tmp_path / "joint.safetensors")
    split_weights(tmp_path / "joint.safetensors", tmp_path)
    assert (tmp_path / "codec-rvq.safetensors").stat().st_size < 500_000
    loaded = load_codec("rvq", tmp_path)
    rvq.eval()
    codes = rvq.encode(mel)
    torch.testing.assert_close(loaded.decode_mel(codes), rvq.mel_from(rvq.latents(codes)), atol=0.05, rtol=0.05)
    assert float((loaded.encode_mel(mel) == codes).float()[..., 0].mean()) > 0.9
