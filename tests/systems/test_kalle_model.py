"""KALL-E's language model: size, names of the released checkpoint, losses, generation, test-time training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ttsbench.errors import UserError
from ttsbench.systems.kalle import model as kalle
from ttsbench.systems.kalle.adapt import TestTime, adapted
from ttsbench.systems.kalle.data import START, Batch, Clip, batches, collate, joined, shares_of
from ttsbench.systems.kalle.generate import Sampling, frames
from ttsbench.systems.kalle.loss import frame_losses, speaker_loss
from ttsbench.systems.kalle.model import END_LOGS, END_MEAN, Kalle, KalleShape, SpeakerShape, is_end
from ttsbench.systems.kalle.train import Aids, losses
from ttsbench.systems.nn.transformer import Rope, Shape

TINY_LLAMA = KalleShape(dataclasses.replace(kalle.LLAMA_1B, dim=32, layers=2, heads=4, kv_heads=2, hidden=64), 50, 6)
TINY = KalleShape(
    Shape(32, 4, 2, 64, rope=Rope()),
    vocabulary=42,
    latent=6,
    speaker=SpeakerShape(mels=10, channels=16, wide=24, bottleneck=8, latent=5),
    spacing=1.2,
    text_layers=1,
    standardised=True,
)


def build(shape: KalleShape) -> Kalle:
    torch.manual_seed(0)
    return Kalle(shape).eval()


def some_clips(count: int) -> list[Clip]:
    """Utterances whose latents depend on the phone that sounds."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(41, 6)).astype(np.float32)
    found = []
    for _ in range(count):
        phones = rng.integers(1, 41, size=int(rng.integers(3, 8)))
        spans = rng.integers(1, 3, size=len(phones))
        mean = np.repeat(table[phones], spans, axis=0)
        mel = rng.normal(size=(len(mean) * 8, 10)).astype(np.float32)
        logs = np.full_like(mean, -1.5)
        found.append(Clip(phones, spans.cumsum().astype(np.float32), mean, logs, mel, f"s{rng.integers(3)}"))
    return found


def test_full_size_and_names_of_the_released_checkpoint() -> None:
    transformers = pytest.importorskip("transformers", reason="the layout that was released is transformers' Llama")
    with torch.device("meta"):
        released, paper = Kalle(kalle.RELEASED), Kalle(kalle.PAPER)
        config = transformers.LlamaConfig(
            vocab_size=128264, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
            num_attention_heads=32, num_key_value_heads=8, tie_word_embeddings=True, head_dim=64,
        )  # fmt: skip
        llama = transformers.LlamaForCausalLM(config)
    count = sum(p.numel() for p in released.parameters())
    assert count == pytest.approx(1.24e9, rel=2e-3)
    expected = {f"base_model.{name}": value.shape for name, value in llama.state_dict().items()}
    expected |= {"audio_linear.weight": (2048, 512), "audio_linear.bias": (2048,)}
    expected |= {"distribution_linear.weight": (1024, 2048), "distribution_linear.bias": (1024,)}
    own = {name: value.shape for name, value in released.state_dict().items()}
    assert expected.pop("base_model.lm_head.weight") == (128264, 2048)  # tied, and not used in speaking
    assert own == expected
    extra = {name: tuple(value.shape) for name, value in paper.state_dict().items() if name not in own}
    assert extra["speaker_cond_disp_linear.weight"] == (4096, 2048)
    assert extra["speaker_encoder.layer3.1.convs.6.weight"] == (64, 64, 3)
    assert extra["speaker_encoder.pooling.linear2.weight"] == (1536, 128, 1)
    ecapa = sum(p.numel() for p in paper.speaker_encoder.parameters())
    assert ecapa == pytest.approx(11.9e6, rel=0.01)


def test_a_random_checkpoint_of_the_released_layout_loads() -> None:
    model, other = build(TINY_LLAMA), Kalle(TINY_LLAMA)
    saved = model.state_dict() | {"base_model.lm_head.weight": torch.zeros(50, 32)}
    other.load(saved)
    assert torch.equal(other.audio_linear.weight, model.audio_linear.weight)
    with pytest.raises(UserError, match=r"audio_linear.weight is missing, expected \(32, 6\)"):
        other.load({name: value for name, value in saved.items() if not name.startswith("audio_linear")})


def test_both_divergences_and_the_stop_target() -> None:
    predicted, target = tuple(torch.randn(2, 2, 5, 6)), tuple(torch.randn(2, 2, 4, 6))
    mask = torch.arange(4)[None] < torch.tensor([[4], [2]])
    ours, theirs = Normal(predicted[0], predicted[1].exp()), Normal(target[0], target[1].exp())
    stop = Normal(END_MEAN, torch.tensor(END_LOGS).exp())
    for direction, swap in (("target-predicted", False), ("predicted-target", True)):
        found = frame_losses(predicted, target, mask, direction)  # type: ignore[arg-type]
        head = Normal(ours.mean[:, :4], ours.stddev[:, :4])
        each = kl_divergence(head, theirs) if swap else kl_divergence(theirs, head)
        torch.testing.assert_close(found["audio"], each.mean(-1)[mask].mean())
        last = Normal(ours.mean[[0, 1], [4, 2]], ours.stddev[[0, 1], [4, 2]])
        end = kl_divergence(last, stop) if swap else kl_divergence(stop, last)
        torch.testing.assert_close(found["end"], end.mean())
    assert float(is_end(torch.full((6,), END_MEAN), torch.full((6,), END_LOGS))) == pytest.approx(0.0, abs=1e-6)
    assert float(speaker_loss(torch.zeros(3, 5), torch.zeros(3, 5))) == pytest.approx(0.0, abs=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("shape", [TINY_LLAMA, TINY], ids=["llama", "small"])
def test_padding_of_text_and_speech_changes_nothing(shape: KalleShape) -> None:
    model = build(shape)
    voice = torch.randn(1, 5) if shape.speaker else None
    ids, latents = torch.randint(1, 41, (1, 7)), torch.randn(1, 5, 6)
    alone = model(ids, torch.ones(1, 7, dtype=torch.bool), latents, torch.ones(1, 5, dtype=torch.bool), voice)
    text_mask = (torch.arange(10) >= 3)[None]
    mask = (torch.arange(8) < 5)[None]
    padded = torch.nn.functional.pad(ids, (3, 0)), torch.nn.functional.pad(latents, (0, 0, 0, 3), value=9.0)
    both = model(padded[0], text_mask, padded[1], mask, voice)
    for one, other in zip(alone, both, strict=True):
        torch.testing.assert_close(other[:, :6], one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prompted", [False, True])
def test_speaking_step_by_step_equals_one_pass(prompted: bool) -> None:
    model = build(TINY)
    ids, voice = torch.cat([torch.randint(1, 41, (1, 6)), torch.tensor([[START]])], dim=1), torch.randn(1, 5)
    prompt = torch.randn(1, 4, 6) if prompted else None
    sampling = Sampling(temperature=0.7, emit="fed", most=9)
    made = torch.cat(list(frames(model, ids, voice, sampling, torch.Generator().manual_seed(3), prompt)), dim=1)
    assert made.shape == (1, 9, 6)
    context = made if prompt is None else torch.cat([prompt, made], dim=1)
    everywhere = torch.ones(context.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        mean, logs = model(ids, torch.ones_like(ids, dtype=torch.bool), context, everywhere, voice)
    noise = torch.stack(
        [torch.randn(1, 1, 6, generator=g)[0] for g in [torch.Generator().manual_seed(3)] for _ in range(9)], 1
    )
    start = 0 if prompt is None else 4
    expected = mean[:, start : start + 9] + 0.7 * logs[:, start : start + 9].exp() * noise
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)
    again = torch.cat(list(frames(model, ids, voice, sampling, torch.Generator().manual_seed(3), prompt)), dim=1)
    assert torch.equal(made, again)


def test_the_stop_distribution_ends_speech() -> None:
    model = build(TINY)
    with torch.no_grad():
        model.distribution_linear.weight.zero_()
        model.distribution_linear.bias.fill_(1.0)  # mean 1, log-deviation 1: the stop distribution, always
    ids = torch.tensor([[1, 2, START]])
    made = list(frames(model, ids, torch.zeros(1, 5), Sampling(least=4, most=50), torch.Generator()))
    assert len(made) == 4


def test_standard_coordinates_are_undone() -> None:
    model = build(TINY)
    means = torch.randn(500, 6) * torch.arange(1, 7) + 3
    model.fit_standard(means)
    mean, logs = model.standardise(means, torch.zeros_like(means))
    torch.testing.assert_close(mean.std(0), torch.ones(6))
    torch.testing.assert_close(mean.mean(0), torch.zeros(6), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(model.restore(mean), means, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.restore(mean + logs.exp()), means + 1, atol=1e-4, rtol=1e-4)


def test_test_time_training_helps_inside_and_leaves_nothing_outside() -> None:
    model = build(TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ids, mean = torch.tensor([[3, 4, START]]), torch.randn(1, 6, 6)
    logs, voice = torch.full_like(mean, -1.0), torch.randn(1, 5)
    with pytest.raises(KeyError), adapted(model, ids, mean, logs, voice, TestTime(64, lr=3e-3), seed=0) as found:
        assert len(found) == 8
        assert found[-1] < 0.9 * found[0]
        assert not torch.equal(model.audio_linear.weight, before["audio_linear.weight"])
        assert torch.equal(model.speaker_encoder.linear.weight, before["speaker_encoder.linear.weight"])
        raise KeyError("whatever happens inside")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_batches_are_functions_of_the_step_and_say_who_sounds_when() -> None:
    clips = some_clips(60)
    at = batches(clips, columns=80, seed=1, easy=10)
    one, two = at(3), at(3)
    assert all(torch.equal(getattr(one, f.name), getattr(two, f.name)) for f in dataclasses.fields(one))
    assert not torch.equal(at(4).mean, one.mean)
    batch = collate(clips[:4], [c.mel[:8] for c in clips[:4]])
    assert (batch.ids[:, -1] == START).all()
    assert torch.equal(batch.text_mask.sum(1), torch.tensor([len(c.phones) + 1 for c in clips[:4]]))
    torch.testing.assert_close(batch.shares.sum(-1), batch.mask.float())
    np.testing.assert_allclose(shares_of(np.array([0.5, 2.0]), 2), [[0.5, 0.5], [0.0, 1.0]])


def test_a_pair_is_the_speakers_other_utterance_and_then_the_clip() -> None:
    clips = some_clips(60)
    both = joined(clips[0], clips[1])
    split = len(clips[0].mean)
    np.testing.assert_array_equal(both.mean[split:], clips[1].mean)
    shares = shares_of(both.ends, len(both.mean))
    np.testing.assert_allclose(shares[:split, : len(clips[0].phones)].sum(1), 1.0)
    np.testing.assert_allclose(shares[split:, len(clips[0].phones) :].sum(1), 1.0)
    longest = max(len(clip.mean) for clip in clips)
    single, paired = (batches(clips, columns=400, seed=1, easy=2, pairs=share) for share in (0.0, 1.0))
    assert max(single(step).mask.sum(1).max() for step in range(2, 30)) <= longest
    assert max(paired(step).mask.sum(1).max() for step in range(2, 30)) > longest
    assert torch.equal(single(1).mean, paired(1).mean)  # the curriculum comes first


def test_rows_without_a_voice_do_not_depend_on_it_in_training_alone() -> None:
    model, batch = build(TINY), batches(some_clips(20), columns=250)(0)
    other = dataclasses.replace(batch, voice=batch.voice.flip(1) + 1)

    def audio(given: Batch) -> float:
        torch.manual_seed(0)
        return float(losses(model, given, 0, Aids(voiceless=1.0))["audio"])

    model.train()
    assert audio(batch) == audio(other)
    model.eval()
    assert audio(batch) != audio(other)


def test_training_learns_and_the_guide_finds_the_phones() -> None:
    clips = some_clips(80)
    model = build(TINY)
    model.fit_standard(torch.from_numpy(np.concatenate([c.mean for c in clips])))
    at, aids = batches(clips, columns=250), Aids(guide_steps=1000, holes=0.1, noise=0.1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    torch.manual_seed(0)
    found = []
    for step in range(120):
        model.train()
        parts = losses(model, at(step), step, aids)
        optimiser.zero_grad()
        parts["total"].backward()
        optimiser.step()
        found.append({name: float(value) for name, value in parts.items()})
    early, late = found[0], {name: float(np.mean([f[name] for f in found[-10:]])) for name in found[0]}
    assert late["audio"] < 0.7 * early["audio"]
    assert late["end"] < 0.5 * early["end"]
    assert late["hits"] > early["hits"] + 0.2
