"""Extractors of the published protocols load weights from a folder and measure, with small random models put there."""

import json
import sys

import numpy as np
import pytest
import soundfile
import torch
import transformers
import whisper

from ttsbench.metrics import extractor
from ttsbench.metrics.models import unpack
from ttsbench.records import Request


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))

    def make(name):
        place = tmp_path / "weights" / name
        place.mkdir(parents=True)
        return place

    return make


@pytest.fixture
def speech(tmp_path):
    seconds = np.arange(2 * 22050) / 22050
    wave = 0.2 * np.sin(2 * np.pi * 180 * seconds) * (1 + np.sin(2 * np.pi * 3 * seconds))
    soundfile.write(tmp_path / "speech.wav", wave, 22050)
    soundfile.write(
        tmp_path / "other.wav", wave[: len(wave) // 2] + 0.05 * np.sin(2 * np.pi * 900 * seconds[:22050]), 22050
    )
    (tmp_path / "broken.wav").write_text("no audio")
    return [tmp_path / f"{name}.wav" for name in ("speech", "broken", "other")]


def extract(name, files, **settings):
    """Features of good, broken, good; checked to be the same in any order and named in the cache."""
    module = extractor(name)
    identity = module.identity(settings)
    assert all(isinstance(value, str) for value in identity.values())
    run = module.load(settings, "cpu")
    requests = [Request(name, path) for path in files]
    found = run(requests)
    assert [bool(feature.error) for feature in found] == [False, True, False], found
    assert str(files[1]) in found[1].error
    for one, other in zip(run(requests), run(requests[::-1])[::-1], strict=True):
        assert one.error == other.error and one.value.keys() == other.value.keys()
        for key, value in one.value.items():  # sums in another order differ in the last digits
            same = pytest.approx(value, rel=1e-4, abs=1e-4) if isinstance(value, float) else value
            assert other.value[key] == same
    return found[0].value


WAV2VEC = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def write_processor(place):
    import transformers

    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    (place / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    transformers.Wav2Vec2CTCTokenizer(str(place / "vocab.json")).save_pretrained(place)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(place)


@pytest.mark.parametrize(("name", "kind"), [("wav2vec2-base-960h", "Wav2Vec2"), ("hubert-large-ls960-ft", "Hubert")])
def test_ctc(folder, speech, name, kind):
    place = folder(name)
    config = getattr(transformers, f"{kind}Config")(vocab_size=32, **WAV2VEC)
    getattr(transformers, f"{kind}ForCTC")(config).save_pretrained(place)
    write_processor(place)
    found = extract("recognisers.ctc", speech, model=name)
    assert set(found["text"]) <= set("ETAONIHSRDLUMWCFGYPBVK'XJQZ <unk>/s")


def test_whisper_of_transformers(folder, speech):
    place = folder("whisper-large-v3")
    config = transformers.WhisperConfig(
        vocab_size=51866,
        num_mel_bins=128,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_target_positions=16,
    )
    transformers.WhisperForConditionalGeneration(config).save_pretrained(place)
    transformers.WhisperFeatureExtractor(128).save_pretrained(place)
    found = extract("recognisers.whisper_hf", speech, model="whisper-large-v3", language="de", resampling="fft")
    assert isinstance(found["text"], str) and found["logprob"] < 0


def test_whisper_of_openai(folder, speech):
    dims = whisper.ModelDimensions(80, 1500, 32, 2, 1, 51865, 24, 32, 2, 1)
    model = whisper.model.Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, folder("openai-whisper-tiny") / "tiny.pt")
    found = extract("recognisers.whisper_openai", speech, model="openai-whisper-tiny", language="en")
    assert isinstance(found["text"], str)


@pytest.fixture
def no_traces():
    """speechbrain leaves lazy modules behind that fail when hypothesis looks at them: take them out again."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "speechbrain"]:
        del sys.modules[name]


def test_speechbrain_ecapa(folder, speech, no_traces):
    from speechbrain.lobes.models import ECAPA_TDNN as ecapa

    model = ecapa.ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072], lin_neurons=192)
    torch.save(model.state_dict(), folder("spkrec-ecapa-voxceleb") / "embedding_model.ckpt")
    assert unpack(extract("speakers.speechbrain_ecapa", speech)).shape == (192,)


def test_utmos(folder, speech):
    from ttsbench.metrics.quality.utmos22_model import Utmos22

    torch.save(Utmos22(layers=1).state_dict(), folder("utmos22-strong") / "utmos22_strong_step7459_v1.pt")
    assert -5 < extract("quality.utmos22", speech, resampling="sinc")["utmos"] < 11


def test_weights_that_hide_code_are_refused(folder, tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (folder("utmos22-strong") / "utmos22_strong_step7459_v1.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Exception, match=r"(?i)weights"):
        extractor("quality.utmos22").load({}, "cpu")
    assert not (tmp_path / "sprung").exists()
