"""The published losses of the full-size codecs, on tiny shapes and a corpus of noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench.systems.codecs.flowvae_full import FlowVAE, FlowVAEShape
from ttsbench.systems.corpus.build import collect
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Spoken, write_shard
from ttsbench.systems.nn import gaussian
from ttsbench.systems.nn.discriminators import Discriminators, of_flow_vae, of_xcodec2
from ttsbench.systems.training import codec_paper
from ttsbench.systems.training.log import read_log

VAE = FlowVAEShape(latent=8, down=(4, 5), channels=(4, 8, 16), up=(5, 4), first=16, flow_hidden=8)


def critics() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators(((64, 16, 64),), (2, 4), 2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = [
        Spoken(f"u{i}", "s", "dev" if i == 0 else "train", "hi", rng.normal(0, 0.1, 8000).astype(np.float32), [])
        for i in range(3)
    ]
    write_shard(folder, "x", "libritts", iter(rows))
    collect(folder)
    return folder


def test_full_size_discriminators_are_those_of_the_papers() -> None:
    with torch.device("meta"):
        vae, codec = of_flow_vae(), of_xcodec2()
    ones, twos = list(vae), list(codec)
    assert [critic.period for critic in ones[:5]] == [critic.period for critic in twos[:5]] == [2, 3, 5, 7, 11]
    assert [critic.sizes[0] for critic in ones[5:]] == [1024, 2048, 512]
    assert [critic.sizes[0] for critic in twos[5:]] == [78, 126, 206, 334, 542, 876, 1418, 2296]
    tiny = critics()
    found = tiny(0.1 * torch.randn(2, 1000))
    assert len(found) == 6
    assert all(torch.isfinite(layer).all() for layers in found for layer in layers)


def test_flow_vae_minimises_its_four_losses_with_the_published_weights() -> None:
    torch.manual_seed(0)
    model = codec_paper.FlowVAETraining(FlowVAE(VAE), critics())
    audio = 0.1 * torch.randn(2, 2000)
    torch.manual_seed(1)
    found = model.losses(audio)
    torch.manual_seed(1)
    _, flowed, logs = model.codec(audio)
    kl = gaussian.flow_prior_kl(flowed, logs).mean()
    torch.testing.assert_close(found["kl"], kl)
    expected = 32 * kl + found["mel"] + found["fooling"] + found["critic"]
    torch.testing.assert_close(found["total"], expected)
    found["total"].backward()
    for part in (model.codec.flow, model.codec.audio_encoder, model.codec.conv_post, model.critics):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    # the critics' share of the loss teaches the critics alone
    model.zero_grad()
    model.losses(audio)["critic"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.codec.parameters())


def test_the_divergence_pulls_the_posterior_and_is_read_behind_the_flow() -> None:
    z, logs = torch.tensor([2.0]), torch.tensor([-1.0])
    torch.testing.assert_close(gaussian.flow_prior_kl(z, logs), torch.tensor([2.5]))
    torch.manual_seed(0)
    codec = FlowVAE(VAE)
    for parameter in codec.flow.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    _, flowed, _ = codec(0.1 * torch.randn(1, 400))
    back = codec.flow(flowed.transpose(1, 2), inverse=True).transpose(1, 2)
    assert not torch.allclose(back, flowed)


def test_a_trained_flow_vae_is_what_kalle_finds(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(codec_paper.FLOW_SETTINGS, steps=2, save_every=1, eval_every=1, log_every=1, bf16=False)
    torch.manual_seed(0)
    model = codec_paper.train_flowvae(corpus, tmp_path, FlowVAE(VAE), settings, 0.2, 2, critics())
    assert {"mel", "kl", "deviation", "fooling", "critic", "eval_mel"} <= {row["name"] for row in read_log(tmp_path)}
    monkeypatch.setenv("KALLE_DIR", str(tmp_path))
    found = FlowVAE.published()
    assert found.shape == VAE
    audio = torch.from_numpy(Corpus(corpus).audio(Corpus(corpus).utterances[0]))[None]
    torch.testing.assert_close(found.encode(audio), model.encode(audio))


def test_xcodec2_learns_meaning_and_sound_and_leaves_w2v_bert_alone(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers", reason="X-codec2 stands on transformers' w2v-BERT")
    from ttsbench.systems.codecs.xcodec2 import XCodec2
    from ttsbench.systems.codecs.xcodec2_layers import XCodec2Shape

    torch.manual_seed(0)
    shape = XCodec2Shape(base=4, dim=64, layers=1, heads=4, semantic_dim=64, semantic_layers=1, semantic_hidden=64)
    codec = XCodec2(shape)
    before = {name: value.clone() for name, value in codec.state_dict().items()}
    torch.manual_seed(1)
    trial = codec_paper.XCodec2Training(codec, critics())
    found = trial.losses(0.1 * torch.randn(2, 3200))
    parts = 15 * found["mel"] + 5 * found["semantic"] + found["fooling"] + found["critic"]
    torch.testing.assert_close(found["total"], parts)
    settings = replace(codec_paper.X_SETTINGS, steps=2, save_every=1, eval_every=1, log_every=1, warmup=1, bf16=False)
    codec_paper.train_xcodec2(corpus, tmp_path, codec, settings, 0.2, 2, critics())
    monkeypatch.setenv("XCODEC2_DIR", str(tmp_path))
    after = XCodec2.published().state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("semantic_model") for name in moved)
    assert {"generator.quantizer.project_in.weight", "CodecEnc.conv_blocks.0.weight_v", "fc_prior.weight"} <= moved
