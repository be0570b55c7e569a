import pytest
import torch

from ttsbench.systems.nn.convnext import ConvNeXt, StreamConv
from ttsbench.systems.nn.mel import HOP, N_MELS, log_mel
from ttsbench.systems.nn.vocoder import Vocoder, VocoderState

CUTS = [[37], [1] * 37, [3, 0, 20, 1, 13], [36, 1]]


def pieces(x: torch.Tensor, cuts: list[int]) -> list[torch.Tensor]:
    return list(torch.split(x, cuts, dim=1))


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("ahead", [(0, 0, 0), (2, 1, 1), (6, 0, 3)])
def test_convnext_in_chunks_equals_whole(cuts: list[int], ahead: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack, x = ConvNeXt(5, 16, 32, ahead).eval(), torch.randn(2, 37, 5)
    state, out = None, []
    for number, piece in enumerate(pieces(x, cuts)):
        y, state = stack.step(piece, state, last=number == len(cuts) - 1)
        out.append(y)
    torch.testing.assert_close(torch.cat(out, 1), stack(x), atol=1e-5, rtol=1e-5)


def test_a_causal_stack_does_not_see_the_future() -> None:
    torch.manual_seed(0)
    stack, x = ConvNeXt(5, 16, 32, (0, 0, 0)).eval(), torch.randn(1, 20, 5)
    other = x.clone()
    other[:, 12:] += 1
    assert torch.equal(stack(x)[:, :12], stack(other)[:, :12])
    assert not torch.equal(stack(x)[:, 12:], stack(other)[:, 12:])


def test_a_gpus_way_of_a_depthwise_convolution_gives_the_same() -> None:
    torch.manual_seed(0)
    convolution, x = StreamConv(6, 6, 5, 2, depthwise=True), torch.randn(2, 9, 6, requires_grad=True)
    found = [(y, *torch.autograd.grad(y.square().sum(), [x, *convolution.parameters()]))
             for y in (convolution.valid(x), convolution.taps(x))]  # fmt: skip
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cuts", CUTS)
def test_vocoder_in_chunks_equals_whole(cuts: list[int]) -> None:
    torch.manual_seed(0)
    vocoder, mel = Vocoder(32, 64, 3).eval(), torch.randn(2, 37, N_MELS)
    with torch.no_grad():
        whole = vocoder(mel)
    assert whole.shape == (2, 37 * HOP)
    state, out = VocoderState(), []
    for number, piece in enumerate(pieces(mel, cuts)):
        out.append(vocoder.step(piece, state, last=number == len(cuts) - 1))
    torch.testing.assert_close(torch.cat(out, 1), whole, atol=1e-5, rtol=1e-5)


def test_vocoder_plays_after_its_look_ahead() -> None:
    torch.manual_seed(0)
    vocoder, state = Vocoder(32, 64, 3).eval(), VocoderState()
    assert vocoder.step(torch.randn(1, 4, N_MELS), state, last=False).shape[1] == 0
    assert vocoder.step(torch.randn(1, 4, N_MELS), state, last=False).shape[1] > 0


def test_log_mel_frames_and_level() -> None:
    t = torch.arange(16000) / 16000
    tone = 0.1 * torch.sin(2 * torch.pi * 1000 * t)[None]
    mel = log_mel(tone)
    assert mel.shape == (1, 100, N_MELS) and torch.isfinite(mel).all()
    assert int(mel[0, 50].argmax()) in range(31, 36)  # 1 kHz is the end of the linear part: a third of the bands
    louder = log_mel(2 * tone)
    assert float((louder - mel)[0, 50].max()) == pytest.approx(0.6931 / 2.5, abs=1e-3)
    assert log_mel(torch.zeros(1, 100)).shape == (1, 0, N_MELS)


def test_look_ahead_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="ahead"):
        StreamConv(1, 1, 3, ahead=3)
