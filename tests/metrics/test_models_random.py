"""Our model code against the libraries, on small models with random weights: no download."""

import re

import numpy as np
import pytest

from . import whisper_tensors

torch = pytest.importorskip("torch")
LAYER_NORM = re.compile(r"(norm|ln|ln_post|\b2\.1|\b0\.2)\.weight$")


def scatter(model, seed=0):
    """Random weights big enough that outputs differ, norms near one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(1 + 0.1 * noise if LAYER_NORM.search(name) else 0.1 * noise)
    return model.eval()


TINY = {"layers": 2, "width": 64, "heads": 2}


def whisper_pair(vocabulary=51865):
    """The same random Whisper in both packages."""
    whisper = pytest.importorskip("whisper", reason="needs openai-whisper, in extra 'paper'")
    transformers = pytest.importorskip("transformers", reason="needs transformers, in extra 'paper'")
    layers, width, heads = TINY.values()
    dims = whisper.ModelDimensions(80, 1500, width, heads, layers, vocabulary, 448, width, heads, layers)
    theirs = scatter(whisper.model.Whisper(dims))
    with torch.no_grad():
        theirs.decoder.token_embedding.weight.mul_(3)
        theirs.decoder.positional_embedding.mul_(60)  # else one word repeats
        for name, value in theirs.named_parameters():
            if name.endswith(("cross_attn.out.weight", "cross_attn.value.weight")):
                value.mul_(3)  # else the text does not depend on the sound
            elif "encoder.conv" in name:
                value.mul_(30)
    config = transformers.WhisperConfig(**whisper_tensors.sizes(width, layers, heads, vocabulary))
    ours = transformers.WhisperForConditionalGeneration(config).eval()
    ours.generation_config.suppress_tokens = ours.generation_config.begin_suppress_tokens = None
    names = [
        (".attn.query", ".self_attn.q_proj"),
        (".attn.key", ".self_attn.k_proj"),
        (".attn.value", ".self_attn.v_proj"),
        (".attn.out", ".self_attn.out_proj"),
        (".attn_ln", ".self_attn_layer_norm"),
        (".cross_attn.query", ".encoder_attn.q_proj"),
        (".cross_attn.key", ".encoder_attn.k_proj"),
        (".cross_attn.value", ".encoder_attn.v_proj"),
        (".cross_attn.out", ".encoder_attn.out_proj"),
        (".cross_attn_ln", ".encoder_attn_layer_norm"),
        (".mlp_ln", ".final_layer_norm"),
        (".mlp.0", ".fc1"),
        (".mlp.2", ".fc2"),
        (".blocks.", ".layers."),
        ("decoder.ln.", "decoder.layer_norm."),
        ("encoder.ln_post.", "encoder.layer_norm."),
        ("decoder.token_embedding", "decoder.embed_tokens"),
        ("positional_embedding", "embed_positions.weight"),
    ]
    state = {}
    for name, value in theirs.state_dict().items():
        for old, new in names:
            name = name.replace(old, new)
        state[f"model.{name}"] = value
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    ours.load_state_dict(state)
    return whisper, theirs, ours


def noises(count):
    rng = np.random.default_rng(3)
    waves = []
    for index in range(count):
        seconds = np.arange(16000 * (1 + 2 * index)) / 16000
        tone = 0.3 * np.sin(2 * np.pi * 200 * (index + 1) ** 2 * seconds)
        waves.append((tone + rng.normal(0, 0.01 * index, seconds.size)).astype(np.float32))
    return waves


def test_whisper_batches_equal_openai_one_by_one():
    from ttsbench.metrics.recognisers.whisper_hf import plan_for, search

    whisper, theirs, ours = whisper_pair()
    plan, _ = plan_for(ours, "en")
    plan = type(plan)(plan.prompt, plan.end, plan.suppress, plan.first, plan.no_speech, 16)
    options = whisper.DecodingOptions(language="en", without_timestamps=True, fp16=False, sample_len=16)
    mels = torch.stack([whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(x))) for x in noises(4)])
    with torch.inference_mode():
        batch = search(ours, mels, plan)
        single = [search(ours, mel[None], plan)[0] for mel in mels]
        expected = [whisper.decode(theirs, mel, options) for mel in mels]
    assert len({tuple(row.tokens) for row in batch}) > 1, "the rows must differ for the test to mean anything"
    for row, alone, theirs_row in zip(batch, single, expected, strict=True):
        assert row.tokens == alone.tokens == theirs_row.tokens
        assert row.no_speech == pytest.approx(theirs_row.no_speech_prob, rel=1e-3, abs=1e-9)
        assert row.logprob == pytest.approx(theirs_row.avg_logprob, rel=1e-3)


def test_whisper_features_equal_openai():
    whisper = pytest.importorskip("whisper", reason="needs openai-whisper, in extra 'paper'")
    transformers = pytest.importorskip("transformers", reason="needs transformers, in extra 'paper'")
    (wave,) = noises(1)
    for size in (80, 128):
        ours = transformers.WhisperFeatureExtractor(feature_size=size)(wave, sampling_rate=16000, return_tensors="pt")
        theirs = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(wave)), size)
        assert torch.allclose(ours.input_features[0], theirs, atol=2e-3)


def test_wavlm_checkpoint_names_map_and_score():
    """A checkpoint in Microsoft's names, made from a small transformers model, loads back to the same hidden states."""
    transformers = pytest.importorskip("transformers", reason="needs transformers, in extra 'paper'")
    from ttsbench.metrics.speakers import wavlm_ecapa
    from ttsbench.metrics.speakers.ecapa_head import EcapaHead

    config = transformers.WavLMConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_dim=[32] * 7,
        num_conv_pos_embedding_groups=4,
        num_conv_pos_embeddings=16,
        apply_spec_augment=False,
    )
    model, head = scatter(transformers.WavLMModel(config)), scatter(EcapaHead(3, 48))
    back = [
        (".parametrizations.weight.original0", "0.weight_g"),
        (".parametrizations.weight.original1", "0.weight_v"),
        ("encoder.pos_conv_embed.conv.bias", "encoder.pos_conv.0.bias"),
        ("encoder.pos_conv_embed.conv", "encoder.pos_conv."),
        (".attention.rel_attn_embed", ".self_attn.relative_attention_bias"),
        (".attention.gru_rel_pos_linear", ".self_attn.grep_linear"),
        (".attention.gru_rel_pos_const", ".self_attn.grep_a"),
        (".attention.", ".self_attn."),
        (".feed_forward.intermediate_dense", ".fc1"),
        (".feed_forward.output_dense", ".fc2"),
        ("feature_projection.layer_norm", "LN"),
        ("feature_projection.projection", "post_extract_proj"),
    ]
    state = {}
    for name, value in model.state_dict().items():
        if name == "masked_spec_embed":
            name = "mask_emb"
        if ".layers." in name:
            name = name.replace(".layer_norm.", ".self_attn_layer_norm.")
        if "conv_layers" in name:
            name = name.replace(".conv.", ".0.").replace(".layer_norm.", ".2.1.")
        for old, new in back:
            name = name.replace(old, new)
        state["feature_extract.model." + name.replace("LN.", "layer_norm.")] = value
    state.update(head.state_dict())
    loaded = wavlm_ecapa.build(state, config)
    wave = torch.from_numpy(noises(1)[0])[None]
    with torch.inference_mode():
        found = wavlm_ecapa.embed(*loaded, wave)
        normal = torch.nn.functional.layer_norm(wave, wave.shape[-1:])
        out = model(normal, output_hidden_states=True)
        states = [*out.hidden_states[:-1], out.last_hidden_state]
        assert torch.allclose(found, head(torch.stack(states)), atol=1e-4)
        louder = wavlm_ecapa.embed(*loaded, wave * 3)
    assert found.shape == (1, 256)
    assert torch.allclose(found, louder, rtol=1e-2, atol=1e-2)
    del state["feature_extract.model.encoder.layers.1.fc1.weight"]
    with pytest.raises(ValueError, match="intermediate_dense"):
        wavlm_ecapa.build(state, config)


def test_utmos_is_the_same_alone_and_in_a_batch():
    from ttsbench.metrics.quality.utmos22 import score
    from ttsbench.metrics.quality.utmos22_model import Utmos22

    model = scatter(Utmos22(layers=2))
    waves = torch.from_numpy(np.stack([noises(1)[0], noises(1)[0][::-1] * 2]))
    with torch.inference_mode():
        batch = model(waves)
        alone = torch.stack([score(model, wave) for wave in waves])
    assert torch.allclose(batch, alone, atol=1e-4)
    assert abs(float(batch[0] - batch[1])) > 1e-3


def test_utmos_undoes_weight_norm():
    from ttsbench.metrics.quality.utmos22_model import Utmos22

    state = scatter(Utmos22(layers=2)).state_dict()
    place = "wav2vec2.encoder.pos_conv.0.weight"
    shape = state[place]
    published = {**state, f"{place}_g": shape.norm(dim=(0, 1), keepdim=True), f"{place}_v": shape * 7}
    published["wav2vec2.mask_emb"] = torch.zeros(768)
    del published[place]
    model = Utmos22(layers=2)
    model.load(published)
    assert torch.allclose(model.state_dict()[place], shape, atol=1e-6)


@pytest.mark.parametrize("own", [8000, 22050, 24000, 48000])
def test_sinc_resampling_equals_torchaudio(own):
    torchaudio = pytest.importorskip("torchaudio", reason="needs torchaudio, in extra 'paper'")
    from ttsbench.metrics.resample import sinc

    wave = np.random.default_rng(0).normal(0, 0.1, 9001).astype(np.float32)
    theirs = torchaudio.functional.resample(torch.from_numpy(wave), own, 16000).numpy()
    ours = sinc(wave, own, 16000)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-5


def test_fft_resampling_cuts_as_seed_does():
    from ttsbench.metrics.resample import convert

    assert len(convert(np.zeros(113309, dtype=np.float32), 22050, 16000, "fft")) == int(113309 * 16000 / 22050)
    with pytest.raises(ValueError, match="fft"):
        convert(np.zeros(10, dtype=np.float32), 8000, 16000, "linear")


def test_guards():
    from ttsbench.metrics.recognisers.guards import flags

    assert flags("a plain sentence", 3.0, 30.0) == []
    assert "30" in flags("x", 31.0, 30.0)[0]
    assert "repeats" in flags("again and again " * 40, 3.0, 30.0)[0]
    assert "no speech" in flags("x", 3.0, 30.0, 0.9, -2.0)[0]
