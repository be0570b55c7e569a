import pytest
import torch
from torch import Tensor, nn

from ttsbench.systems.nn.vocoder.critics import (
    LOUDER,
    Critics,
    PeriodCritic,
    SpectrumCritic,
    contest,
    critic_loss,
    fooling_loss,
    matching_loss,
)


def tone(hertz: float, samples: int = 4000) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples) / 16000)[None]


def test_every_critic_gives_layers_and_scores() -> None:
    found = Critics()(torch.randn(2, 10241))
    assert [len(layers) for layers in found] == [5] * 4 + [6] * 3
    assert all(layers[-1].shape[:2] == (2, 1) for layers in found)
    # 1024 / 2 + 1 bins, halved four times; (10241 - 1024) // 256 + 1 frames
    assert found[4][-1].shape == (2, 1, 37, 33)


def test_a_period_is_a_column() -> None:
    image = PeriodCritic(3).image(torch.arange(7.0)[None])
    assert (image / LOUDER).tolist() == [[[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 0.0, 0.0]]]]


def test_a_tone_stands_in_its_bin_and_ten_times_louder_is_less_than_three_times_larger() -> None:
    critic = SpectrumCritic(512)
    image = critic.image(tone(2000.0))
    size = image.square().sum(1).sqrt()
    assert image.shape == (1, 2, (4000 - 512) // 128 + 1, 257)
    assert (size.argmax(-1) == 64).all()
    louder = critic.image(10 * tone(2000.0)).square().sum(1).sqrt()
    assert float((louder / size)[..., 64].mean()) == pytest.approx(10**0.4, rel=1e-3)


def scores(*values: float) -> list[list[Tensor]]:
    return [[torch.full((1, 1, 2), 3 * value), torch.full((1, 1, 4), value)] for value in values]


def test_losses_at_known_scores() -> None:
    assert float(critic_loss(scores(1.0, 2.0), scores(-1.0, -3.0))) == 0.0
    assert float(critic_loss(scores(0.0, 0.5), scores(0.0, 1.0))) == pytest.approx(1 + 1 + 0.5 + 2)
    assert float(fooling_loss(scores(1.0, -1.0))) == pytest.approx(2.0)
    assert float(matching_loss(scores(1.0, 0.0), scores(0.0, 0.5))) == pytest.approx(3 + 1.5)


def test_one_pass_gives_each_side_the_gradient_of_its_own_loss() -> None:
    torch.manual_seed(0)
    critics, maker = Critics((3,), (256,)), nn.Linear(1, 1)
    true, source = torch.randn(2, 2000), torch.randn(2, 2000, 1)

    def made() -> Tensor:
        return maker(source)[..., 0]

    parts = contest(critics, made(), true, matching=0.7)
    (parts["critic"] + parts["fooling"]).backward()
    of_critics = torch.autograd.grad(
        critic_loss(critics(true), critics(made().detach())), own := list(critics.parameters())
    )
    layers = critics(true), critics(made())
    own_loss = fooling_loss(layers[1]) + 0.7 * matching_loss(*layers)
    assert float(parts["fooling"]) == pytest.approx(float(own_loss), rel=1e-5)
    of_maker = torch.autograd.grad(own_loss, list(maker.parameters()))
    for weight, expected in zip([*own, *maker.parameters()], [*of_critics, *of_maker], strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, expected, atol=1e-6, rtol=1e-4)


def test_critics_alone_learn_where_the_maker_has_no_gradient() -> None:
    torch.manual_seed(0)
    critics = Critics()
    optimiser = torch.optim.AdamW(critics.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        parts = contest(critics, 0.1 * torch.randn(2, 3000), tone(440.0, 3000).expand(2, -1))
        assert not parts["fooling"].requires_grad
        optimiser.zero_grad()
        parts["critic"].backward()
        optimiser.step()
        losses.append(float(parts["critic"].detach()))
    assert losses[0] > 9.0 and losses[-1] < 0.5 * losses[0]
